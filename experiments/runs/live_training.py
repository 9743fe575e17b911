"""How a training goes: a table of its epochs that grows in a terminal, a line an epoch elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from experiments.runs.live_search import describe_seconds
from experiments.runs.printing import say
from nas.training.run import EMA_WEIGHTS, RAW_WEIGHTS, Record

NUM_SHOWN = 15
"""So many of the last epochs stand in the table."""


class EpochTable:
    """Shows the epochs of a training while it is entered.

    Args:
        num_epochs: of the whole training.
        console: where.
        transient: whether nothing of it is left to be seen afterwards; outside of a terminal nothing is shown then.
    """

    def __init__(self, num_epochs: int, console: Console, *, transient: bool = False) -> None:
        self._num_epochs = num_epochs
        self._silent = transient and not console.is_terminal
        self._console = console
        self._records: Sequence[Record] = ()
        self._printed: int | None = None
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        )
        self._task = self._progress.add_task("epoch 1", total=None)
        self._live = Live(get_renderable=self.render, console=console, refresh_per_second=4, transient=transient)

    def render(self) -> Group:
        """The table and the bar as they are now."""
        return Group(epoch_table(self._records[-NUM_SHOWN:], self._num_epochs), self._progress)

    def after_step(self, epoch: int, done: int, num_steps: int) -> None:
        """Moves the bar."""
        self._progress.update(self._task, description=f"epoch {epoch}", completed=done, total=num_steps)

    def after_epoch(self, records: Sequence[Record]) -> None:
        """Shows epochs that are done; the first call tells of those of earlier sessions."""
        if self._printed is None:
            self._printed = len(records)
            if records:
                self.say(f"goes on after epoch {len(records)} of {self._num_epochs}")
        self._records = records
        if not self._console.is_terminal:
            for record in records[self._printed :]:
                self.say(describe_epoch(record, self._num_epochs, left=_seconds_left(records, self._num_epochs)))
        self._printed = len(records)

    def say(self, text: str) -> None:
        """Shows a line."""
        if not self._silent:
            say(self._console, text)

    def __enter__(self) -> Self:
        """Starts to show."""
        if self._console.is_terminal:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shows the last state and stops."""
        if self._console.is_terminal:
            self._progress.update(self._task, visible=False)
            self._live.__exit__(kind, error, trace)


def epoch_table(records: Sequence[Record], num_epochs: int) -> Table:
    """The epochs as a table."""
    averaged = any(EMA_WEIGHTS in record["validation"] for record in records)
    table = Table(caption=f"of {num_epochs} epochs")
    names = ["epoch", "rate", "loss", "training", "validation", "top-5", *(["average"] if averaged else []), "seconds"]
    for name in names:
        table.add_column(name, justify="right")
    for record in records:
        table.add_row(*_cells(record, averaged=averaged))
    return table


def describe_epoch(record: Record, num_epochs: int, *, left: float = 0.0) -> str:
    """One epoch as a line of text."""
    scores = record["validation"]
    average = f" (average {scores[EMA_WEIGHTS]['top1']:.2%})" if EMA_WEIGHTS in scores else ""
    return (
        f"epoch {record['epoch']} of {num_epochs}: rate {record['learning_rate']:.3g}, loss {record['loss']:.4f}, "
        f"training {record['accuracy']:.2%}, validation {scores[RAW_WEIGHTS]['top1']:.2%}{average}, "
        f"top-5 {scores[RAW_WEIGHTS]['top5']:.2%}, {record['seconds']:.1f} s, {describe_seconds(left)} left"
    )


def _cells(record: Record, *, averaged: bool) -> list[str]:
    scores: Any = record["validation"]
    return [
        str(record["epoch"]),
        f"{record['learning_rate']:.3g}",
        f"{record['loss']:.4f}",
        f"{record['accuracy']:.2%}",
        f"{scores[RAW_WEIGHTS]['top1']:.2%}",
        f"{scores[RAW_WEIGHTS]['top5']:.2%}",
        *([f"{scores[EMA_WEIGHTS]['top1']:.2%}"] if averaged else []),
        f"{record['seconds']:.1f}",
    ]


def _seconds_left(records: Sequence[Record], num_epochs: int) -> float:
    spent = sum(record["seconds"] + record["validation_seconds"] for record in records)
    return float(spent / len(records) * (num_epochs - len(records)))
