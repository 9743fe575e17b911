"""Progress of a training that counts epochs: a growing table in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table

from experiments.runs.live_display import TrainingDisplay
from nas.training.run import EMA_WEIGHTS, RAW_WEIGHTS, Record

NUM_SHOWN = 15
"""Number of epochs in the table: the last ones."""


class EpochTable(TrainingDisplay):
    """Shows the epochs of a training while it is entered.

    Args:
        num_epochs: Of the whole training.
        console: Where to show them.
        transient: Whether nothing remains of it at the end; outside of a terminal, nothing is printed then.
    """

    def __init__(self, num_epochs: int, console: Console, *, transient: bool = False) -> None:
        super().__init__("epoch", num_epochs, console, transient=transient)

    def render(self) -> Group:
        """Returns the table and the progress bar of the current epoch."""
        return Group(epoch_table((self._records or ())[-NUM_SHOWN:], self._total), self._progress)

    def after_step(self, epoch: int, done: int, num_steps: int) -> None:
        """Updates the progress bar."""
        self._progress.update(self._task, description=f"epoch {epoch}", completed=done, total=num_steps)

    def after_epoch(self, records: Sequence[Record]) -> None:
        """Shows the new epochs; the first call gets those of earlier sessions."""
        for record, left in self.take(records):
            if not self.is_live:
                self.say(f"{describe_epoch(record, self._total)}, {left}")

    def finish(self) -> None:
        """Removes the progress bar."""
        self._progress.update(self._task, visible=False)


def epoch_table(records: Sequence[Record], num_epochs: int) -> Table:
    """Formats epochs as a table."""
    averaged = any(EMA_WEIGHTS in record["validation"] for record in records)
    table = Table(caption=f"of {num_epochs} epochs")
    names = ["epoch", "rate", "loss", "training", "validation", "top-5", *(["average"] if averaged else []), "seconds"]
    for name in names:
        table.add_column(name, justify="right")
    for record in records:
        table.add_row(*_cells(record, averaged=averaged))
    return table


def describe_epoch(record: Record, num_epochs: int) -> str:
    """Formats an epoch as a line of text."""
    scores = record["validation"]
    average = f" (average {scores[EMA_WEIGHTS]['top1']:.2%})" if EMA_WEIGHTS in scores else ""
    return (
        f"epoch {record['epoch']} of {num_epochs}: rate {record['learning_rate']:.3g}, loss {record['loss']:.4f}, "
        f"training {record['accuracy']:.2%}, validation {scores[RAW_WEIGHTS]['top1']:.2%}{average}, "
        f"top-5 {scores[RAW_WEIGHTS]['top5']:.2%}, {record['seconds']:.1f} s"
    )


def _cells(record: Record, *, averaged: bool) -> list[str]:
    scores = record["validation"]
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
