"""Writes the course of a search for TensorBoard: ``tensorboard --logdir RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.runs.trackers.background import Point

_FILES = "events.out.tfevents.*"


class TensorBoardTracker:
    """An event file that is a function of the ledger: a search that goes on writes a new one, with every point.

    Adding to the former one would miss a point, or give it twice, where a crash fell between an outcome and its point.
    The new file tells TensorBoard to forget those of the former one, which stays until there is a third, since a
    TensorBoard that is reading it may not lose it.

    Args:
        folder: for nothing but these files.
        configuration: text shown beside the curves.
    """

    name = "tensorboard"

    def __init__(self, folder: Path, configuration: str) -> None:
        self._folder = folder
        self._configuration = configuration
        self._writer: Any = None

    def open(self) -> int:
        """Starts a file; returns 0, so that every point of the run is written."""
        from torch.utils.tensorboard import SummaryWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob(_FILES))[:-1]:
            path.unlink()
        self._writer = SummaryWriter(str(self._folder), purge_step=0)
        self._writer.add_text("configuration", f"```yaml\n{self._configuration}\n```", 0)
        return 0

    def log(self, points: Sequence[Point]) -> None:
        """Writes one scalar for each value."""
        for point in points:
            for name, value in point.values.items():
                self._writer.add_scalar(name, value, point.step, walltime=point.time)
        self._writer.flush()

    def close(self, *, finished: bool) -> None:  # noqa: ARG002 - a file has no state
        """Closes the file."""
        self._writer.close()
