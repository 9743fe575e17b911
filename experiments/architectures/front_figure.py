"""The figure of a front: every trial, the front as a line, and the cells of its members drawn at their points."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.image
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from experiments.architectures.draw import cell_figures
from experiments.runs.figures import write_figure
from experiments.runs.run_folder import RunFolder
from experiments.search.front import distinct_successes, front_of
from nas.architecture import Architecture
from nas.files.storage import make_folder
from nas.ledger.writer import read_ledger
from nas.objectives import find_objective
from nas.records import Record
from nas.trial import Success

MAX_CELLS = 4
"""Number of members of the front, evenly spread, whose normal cell is drawn."""
_BLUE, _GREY = "#2f5f9e", "#b0b0b0"


def draw_front(run: Path, out: Path, names: Sequence[str] = ()) -> None:
    """Draws the front of a run in its first two objectives; see `experiments.search.front.run_front` for errors."""
    if out.suffix not in (".svg", ".png", ".pdf"):
        raise ValueError(f"a drawing must end in .svg, .png, .pdf, got {out.name!r:.100}")
    folder = RunFolder(run)
    found, records = front_of(folder, names)
    first, second = (find_objective(name) for name in found.objectives[:2])
    everything = [
        (second.number(each.outcome), first.number(each.outcome))
        for each in distinct_successes(read_ledger(folder.ranking))
        if isinstance(each.outcome, Success)
    ]
    line = [(point.numbers[1], point.numbers[0]) for point in found.points]
    figure = Figure(figsize=(8.0, 5.2), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.scatter([x for x, _ in everything], [y for _, y in everything], s=10, color=_GREY, label="trials")
    axes.plot(*zip(*line, strict=True), "o-", color=_BLUE, ms=5, lw=1.2, label="front")
    axes.plot(*line[found.knee], "o", color=_BLUE, ms=10, mfc="none", label="knee")
    axes.set_xlabel(_label(second.name, second.unit))
    axes.set_ylabel(_label(first.name, first.unit))
    axes.margins(0.12, 0.18)
    axes.legend(loc="lower right", frameon=False)
    for record, place in _spread(records, line):
        if isinstance(record.trial.architecture, Architecture):
            drawing = OffsetImage(_cell_image(record.trial.architecture), zoom=0.16)
            box = AnnotationBbox(drawing, place, (0, 34), boxcoords="offset points", frameon=True, pad=0.1)
            axes.add_artist(box)
    make_folder(out.parent)
    write_figure(figure, out, dpi=150, metadata=None)


def _spread(records: list[Record], line: list[tuple[float, float]]) -> list[tuple[Record, tuple[float, float]]]:
    number = min(MAX_CELLS, len(line))
    places = [round(index * (len(line) - 1) / max(1, number - 1)) for index in range(number)]
    return [(records[place], line[place]) for place in dict.fromkeys(places)]


def _cell_image(architecture: Architecture) -> npt.NDArray[np.float32]:
    buffer = io.BytesIO()
    next(iter(cell_figures(architecture).values())).savefig(buffer, format="png", dpi=150)
    buffer.seek(0)
    return np.asarray(matplotlib.image.imread(buffer), np.float32)


def _label(name: str, unit: str) -> str:
    return name.replace("_", " ").capitalize() + (f" ({unit})" if unit and unit != "%" else "")
