"""The figures of a comparison."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.comparison.curve_panels import Panel, curve_panels
from experiments.comparison.difference_panels import differences_panel, ends_panel, num_lines, num_rows
from experiments.comparison.figure_style import add_legend, style
from experiments.comparison.results import Comparison


def draw_curves(comparison: Comparison) -> Figure:
    """Draws all curves in one figure under one legend, for a README or a paper."""
    drawn = curve_panels(comparison)
    wide = "trials" in drawn or len(drawn) % 2 == 1
    rows = (len(drawn) + wide + 1) // 2
    with style():
        figure = Figure(figsize=(8.4, 0.4 + 2.8 * rows), layout="constrained", facecolor="white")
        grid = figure.add_gridspec(rows, 2)
        for place, panel in enumerate(drawn.values()):
            row, column = divmod(place + (wide if place else 0), 2)
            panel(figure.add_subplot(grid[row, :] if wide and place == 0 else grid[row, column]))
        add_legend(figure, comparison)
    return figure


def draw_differences(comparison: Comparison) -> Figure:
    """Draws the final value of each run and the differences of strategies at the checkpoints."""
    ends = max(0.42 * len(comparison.strategies), 0.17 * num_lines(comparison))
    height = max(2.6, 0.9 + 0.23 * num_rows(comparison), 1.1 + ends)
    with style():
        figure = Figure(figsize=(8.4, height), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
        ends_panel(left, comparison=comparison)
        differences_panel(right, comparison=comparison)
    return figure


def draw_panel(panel: Panel, *, height: float = 3.1) -> Figure:
    """Draws one panel, 5.2 inches wide, without legend and background, for an HTML page."""
    with style():
        figure = Figure(figsize=(5.2, height), layout="constrained", facecolor="none")
        panel(figure.add_subplot(facecolor="none"))
    return figure
