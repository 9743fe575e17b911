"""Progress of a training that counts iterations: a line for each record, and a progress bar in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import Progress

from experiments.runs.live_display import TrainingDisplay
from nas.training.run import Record


class RecordLines(TrainingDisplay):
    """Shows the records of a training while it is entered; `describe` puts an ``evaluation`` into a few words."""

    def __init__(self, num_iterations: int, console: Console, describe: Callable[[Record], str]) -> None:
        super().__init__("iteration", num_iterations, console)
        self._describe = describe

    def render(self) -> Progress:
        """Returns the progress bar."""
        return self._progress

    def after_iteration(self, done: int) -> None:
        """Updates the progress bar."""
        self._progress.update(self._task, completed=done, total=self._total)

    def after_record(self, records: Sequence[Record]) -> None:
        """Prints the new records; the first call gets those of earlier sessions."""
        for record, left in self.take(records):
            scores = f"{self._describe(record)}, " if "evaluation" in record else ""
            self.say(
                f"iteration {record['iteration']} of {self._total}: rate {record['learning_rate']:.3g}, "
                f"loss {record['loss']:.4f}, {scores}{record['pictures_per_second']:.1f} images per second, {left}"
            )
