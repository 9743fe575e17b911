"""The figure of the shares of norms: one stacked bar for each stage of each strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from experiments.comparison.figure_style import BASELINE, PALETTE, finish, percent, style
from experiments.comparison.norm_usage import NUM_BEST, StageNorms

_COLOURS = (*PALETTE, BASELINE, "#5b4b8a")


def draw_norm_shares(usage: Mapping[str, Sequence[StageNorms]], norms: Sequence[str]) -> Figure:
    """Draws the shares of blocks with each norm, of all architectures and of the best ones, by strategy and stage."""
    names = [f"{name}, stage {stage.stage}" for name, stages in usage.items() for stage in stages]
    groups = {"all architectures": "all", f"the {NUM_BEST} best": "best"}
    with style():
        figure = Figure(figsize=(8.4, 1.3 + 0.24 * len(names)), layout="constrained", facecolor="none")
        panels = figure.subplots(1, len(groups), sharey=True, gridspec_kw={"wspace": 0.06})
        for axes, (title, group) in zip(panels, groups.items(), strict=True):
            shares = [getattr(stage, group) for stages in usage.values() for stage in stages]
            left = [0.0] * len(names)
            for norm, colour in zip(norms, _COLOURS, strict=False):
                widths = percent([each.get(norm, 0.0) for each in shares])
                axes.barh(range(len(names)), widths, left=left, color=colour, height=0.7, label=norm)
                left = [before + float(width) for before, width in zip(left, widths, strict=True)]
            axes.set_facecolor("none")
            finish(axes, title.capitalize(), "", "")
            axes.set_yticks(range(len(names)), names)
            axes.set_xlim(0, 100)
            axes.set_xlabel("Share of blocks (%)")
            axes.grid(axis="y", visible=False)
        panels[0].invert_yaxis()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), handlelength=1.0)
    return figure
