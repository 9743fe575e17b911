"""How a training that is counted in iterations goes: a line for each record, and a bar in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.runs.live_search import describe_seconds
from experiments.runs.printing import say
from nas.training.run import Record


class RecordLines:
    """Shows the records of a training while it is entered.

    Args:
        num_iterations: of the whole training.
        console: where.
        describe: says in a few words what the ``evaluation`` of a record holds.
    """

    def __init__(self, num_iterations: int, console: Console, describe: Callable[[Record], str]) -> None:
        self._num_iterations = num_iterations
        self._console = console
        self._describe = describe
        self._num_shown: int | None = None
        self._progress = Progress(
            TextColumn("iteration"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._task = self._progress.add_task("iterations", total=num_iterations)

    def after_iteration(self, done: int) -> None:
        """Moves the bar."""
        self._progress.update(self._task, completed=done)

    def after_record(self, records: Sequence[Record]) -> None:
        """Shows new records; the first call tells of those of earlier sessions."""
        if self._num_shown is None:
            self._num_shown = len(records)
            if records:
                self._say(f"goes on after iteration {records[-1]['iteration']} of {self._num_iterations}")
        for number, record in enumerate(records[self._num_shown :], start=self._num_shown + 1):
            self._say(self._line(record, _seconds_left(records[:number], self._num_iterations)))
        self._num_shown = len(records)

    def _line(self, record: Record, left: float) -> str:
        scores = f"{self._describe(record)}, " if "evaluation" in record else ""
        return (
            f"iteration {record['iteration']} of {self._num_iterations}: rate {record['learning_rate']:.3g}, "
            f"loss {record['loss']:.4f}, {scores}{record['pictures_per_second']:.1f} pictures a second, "
            f"{describe_seconds(left)} left"
        )

    def _say(self, text: str) -> None:
        say(self._console, text)

    def __enter__(self) -> Self:
        """Starts to show."""
        if self._console.is_terminal:
            self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops."""
        if self._console.is_terminal:
            self._progress.__exit__(kind, error, trace)


def _seconds_left(records: Sequence[Record], num_iterations: int) -> float:
    spent = sum(record["seconds"] + record.get("evaluation_seconds", 0.0) for record in records)
    done = records[-1]["iteration"]
    return float(spent / done * (num_iterations - done))
