"""Logs a search for TensorBoard: ``tensorboard --logdir RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.runs.trackers.background import Point


class TensorBoardTracker:
    """Writes an event file with all points of the ledger; a resumed search writes a new one.

    Appending to the previous file could miss or repeat a point after a crash. The new file makes TensorBoard discard
    the points of the previous one, which is kept until there is a third, since a TensorBoard may be reading it.
    The text `configuration` is shown beside the curves.
    """

    name = "tensorboard"

    def __init__(self, folder: Path, configuration: str) -> None:
        self._folder = folder
        self._configuration = configuration
        self._writer: Any = None

    def open(self) -> int:
        """Creates an event file; returns 0, so that every point is written."""
        from torch.utils.tensorboard import SummaryWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("events.out.tfevents.*"))[:-1]:
            path.unlink()
        self._writer = SummaryWriter(str(self._folder), purge_step=0)
        self._writer.add_text("configuration", f"```yaml\n{self._configuration}\n```", 0)
        return 0

    def log(self, points: Sequence[Point]) -> None:
        """Writes a scalar for each value."""
        for point in points:
            for name, value in point.values.items():
                self._writer.add_scalar(name, value, point.step, walltime=point.time)
        self._writer.flush()

    def close(self, *, finished: bool) -> None:  # noqa: ARG002 - a file has no state
        """Closes the file."""
        self._writer.close()
