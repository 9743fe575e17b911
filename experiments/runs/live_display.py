"""Displays of running work: a rich display that is redrawn in a terminal, plain lines of text elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.runs.printing import say

if TYPE_CHECKING:
    from nas.training.run import Record


class LiveDisplay(ABC):
    """Draws `render` a few times a second while it is entered, if the console is a terminal.

    Args:
        console: Where to draw.
        transient: Whether nothing remains of it at the end; outside of a terminal, nothing is printed then.
    """

    def __init__(self, console: Console, *, transient: bool = False) -> None:
        self._console = console
        self._transient = transient
        self._live: Live | None = None

    @abstractmethod
    def render(self) -> RenderableType:
        """Returns the current drawing."""

    def finish(self) -> None:  # noqa: B027 - it may do nothing
        """Called before the last drawing."""

    @property
    def is_live(self) -> bool:
        """Whether the console is a terminal."""
        return self._console.is_terminal

    def say(self, text: str) -> None:
        """Prints a line of text, in a terminal above the drawing."""
        if self.is_live or not self._transient:
            say(self._console, text)

    def __enter__(self) -> Self:
        """Starts drawing."""
        if self.is_live:
            self._live = Live(
                get_renderable=self.render, console=self._console, refresh_per_second=4, transient=self._transient
            )
            self._live.start(refresh=True)
        return self

    def __exit__(self, *error: object) -> None:
        """Draws the last state and stops."""
        self.finish()
        if self._live is not None:
            self._live.stop()


class TrainingDisplay(LiveDisplay):
    """Shows the records of a training and a progress bar.

    Args:
        unit: What the training counts, a key of its records: ``epoch`` or ``iteration``.
        total: Number of units of the whole training.
        console: See `LiveDisplay`, also for `transient`.
    """

    def __init__(self, unit: str, total: int, console: Console, *, transient: bool = False) -> None:
        super().__init__(console, transient=transient)
        self._unit = unit
        self._total = total
        self._records: Sequence[Record] | None = None
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._task = self._progress.add_task(unit, total=None)

    def take(self, records: Sequence[Record]) -> list[tuple[Record, str]]:
        """Takes all records so far, at the first call those of earlier sessions; returns new ones and the time left."""
        if self._records is None:
            self._records = records
            if records:
                self.say(f"resuming after {self._unit} {records[-1][self._unit]} of {self._total}")
        numbers = range(len(self._records) + 1, len(records) + 1)
        self._records = records
        return [(records[number - 1], f"{self._time_left(records[:number])} left") for number in numbers]

    def _time_left(self, records: Sequence[Record]) -> str:
        keys = ("seconds", "validation_seconds", "evaluation_seconds")
        spent = sum(record.get(key, 0.0) for record in records for key in keys)
        done = records[-1][self._unit]
        return describe_seconds(spent / done * (self._total - done))


def describe_seconds(seconds: float) -> str:
    """Formats a duration in its two largest units: ``45 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``."""
    whole = round(seconds)
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // small} {small_name}"
    return f"{whole} s"
