"""The display of a search in a notebook: progress, and the curve of accuracies, redrawn as trials finish."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Self

from experiments.runs.live_search import SearchDisplay

REDRAW_SECONDS = 1.0
WIDTH, HEIGHT, MARGIN = 480, 160, 6


class NotebookDisplay(SearchDisplay):
    """Shows a tally below the cell of a notebook while it is entered; lines of text appear above it."""

    _handle: Any = None
    _redraw_at = 0.0

    def __enter__(self) -> Self:
        """Shows the first drawing."""
        from IPython.display import HTML, display

        self._html = HTML
        self._handle = display(HTML(self.page()), display_id=True)
        return self

    def update(self) -> None:
        """Redraws if the last drawing is old enough."""
        if time.monotonic() >= self._redraw_at:
            self._redraw()

    def finish(self) -> None:
        """Draws the last state."""
        self._tally.end_session()
        self._redraw()

    def _redraw(self) -> None:
        self._tally.shares = self._progress()
        self._redraw_at = time.monotonic() + REDRAW_SECONDS
        if self._handle is not None:
            self._handle.update(self._html(self.page()))

    def page(self) -> str:
        """Returns the drawing as HTML."""
        cells = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in self._tally.facts()
        )
        bar = f'<progress max="{self._tally.num_trials}" value="{self._tally.num_done}" style="width: 100%"></progress>'
        title = html.escape(self._title)
        return f"<b>{title}</b>{bar}<table>{cells}</table>{accuracy_curve(self._tally.accuracies)}"


def accuracy_curve(accuracies: Sequence[float]) -> str:
    """Returns an SVG drawing: a point for each accuracy, between 0 and 1, and a line for the best so far."""
    if not accuracies:
        return ""
    step = (WIDTH - 2 * MARGIN) / max(len(accuracies) - 1, 1)
    places = [f"{MARGIN + step * index:.1f}" for index in range(len(accuracies))]

    def height(accuracy: float) -> str:
        return f"{MARGIN + (1 - accuracy) * (HEIGHT - 2 * MARGIN):.1f}"

    points = "".join(
        f'<circle cx="{x}" cy="{height(each)}" r="2" fill="#888"/>' for x, each in zip(places, accuracies, strict=True)
    )
    best = " ".join(f"{x},{height(each)}" for x, each in zip(places, accumulate(accuracies, max), strict=True))
    line = f'<polyline points="{best}" fill="none" stroke="#2f5f9e" stroke-width="2"/>'
    frame = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>'
    title = "<title>accuracy, 0 to 100 %, by trial; the line is the best so far</title>"
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{title}{frame}{points}{line}</svg>'
