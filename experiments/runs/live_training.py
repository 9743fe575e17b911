"""Progress of a training that counts epochs: a growing table in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group
from rich.table import Column, Table

from experiments.runs.live_display import TrainingDisplay
from nas.training.run import EMA_WEIGHTS, RAW_WEIGHTS, Record

NUM_SHOWN = 15
"""Number of epochs in the table: the last ones."""
MUCH_WAITING = 0.2
"""Share of an epoch without images from which more loaders are advised."""


class EpochTable(TrainingDisplay):
    """Shows the epochs of a training while it is entered; see `TrainingDisplay`."""

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
            if self.is_live:
                for problem in problems(record):
                    self.say(f"epoch {record['epoch']}: {problem}")
            else:
                self.say(f"{describe_epoch(record, self._total)}, {left}")

    def finish(self) -> None:
        """Removes the progress bar."""
        self._progress.update(self._task, visible=False)


def epoch_table(records: Sequence[Record], num_epochs: int) -> Table:
    """Formats epochs as a table."""
    averaged = any(EMA_WEIGHTS in record["validation"] for record in records)
    names = ["epoch", "rate", "loss", "training", "validation", "top-5", *(["average"] if averaged else []), "seconds"]
    table = Table(*(Column(name, justify="right") for name in names), caption=f"of {num_epochs} epochs")
    for record in records:
        cells = _cells(record)
        table.add_row(*(cells[name] for name in names))
    return table


def describe_epoch(record: Record, num_epochs: int) -> str:
    """Formats an epoch as a line of text."""
    cells = _cells(record)
    average = f" (average {cells['average']})" if "average" in cells else ""
    speed = f", {record['images_per_second']:,.0f} images/s" if "images_per_second" in record else ""
    return (
        f"epoch {cells['epoch']} of {num_epochs}: rate {cells['rate']}, loss {cells['loss']}, "
        f"training {cells['training']}, validation {cells['validation']}{average}, top-5 {cells['top-5']}, "
        f"{cells['seconds']} s{speed}{''.join(f', {problem}' for problem in problems(record))}"
    )


def problems(record: Record) -> Iterator[str]:
    """Says what slowed an epoch down, and which images could not be decoded."""
    waited = record.get("wait_seconds", 0.0) / max(record["seconds"], 1e-9)
    if waited > MUCH_WAITING:
        yield f"{waited:.0%} of the time spent waiting for images: raise recipe.num_loaders"
    if record.get("num_damaged"):
        yield f"{record['num_damaged']:,} training images could not be decoded and were replaced"


def _cells(record: Record) -> dict[str, str]:
    scores = record["validation"]
    average = {"average": f"{scores[EMA_WEIGHTS]['top1']:.2%}"} if EMA_WEIGHTS in scores else {}
    return {
        "epoch": str(record["epoch"]),
        "rate": f"{record['learning_rate']:.3g}",
        "loss": f"{record['loss']:.4f}",
        "training": f"{record['accuracy']:.2%}",
        "validation": f"{scores[RAW_WEIGHTS]['top1']:.2%}",
        "top-5": f"{scores[RAW_WEIGHTS]['top5']:.2%}",
        "seconds": f"{record['seconds']:.1f}",
        **average,
    }
