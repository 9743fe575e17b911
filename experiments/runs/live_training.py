"""Progress of a training that counts epochs: a growing table in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group
from rich.table import Column, Table
from rich.text import Text

from experiments.runs.live_display import TrainingDisplay
from experiments.runs.training_speed import TrainingSpeed, describe_memory, describe_waiting
from nas.training.results import StepReport, peak_memory
from nas.training.run import EMA_WEIGHTS, RAW_WEIGHTS, Record

NUM_SHOWN = 15
"""Number of epochs in the table: the last ones."""
_LINE_SECONDS = 600.0
"""Time between lines about a long epoch where there is no terminal."""


class EpochTable(TrainingDisplay):
    """Shows the epochs of a training while it is entered; see `TrainingDisplay`."""

    def __init__(self, num_epochs: int, console: Console, *, transient: bool = False) -> None:
        super().__init__("epoch", num_epochs, console, transient=transient)
        self._speed = TrainingSpeed(num_epochs)
        self._said = (0, 0.0)

    def render(self) -> Group:
        """Returns the table, and the progress bar and the speed of the current epoch."""
        table = epoch_table((self._records or ())[-NUM_SHOWN:], self._total)
        return Group(table, self._progress, Text(self._describe()))

    def after_step(self, step: StepReport) -> None:
        """Updates the progress bar; without a terminal, prints a line now and then."""
        self._progress.update(self._task, description=f"epoch {step.epoch}", completed=step.done, total=step.num_steps)
        self._speed.add(step)
        epoch, seconds = self._said
        if epoch != step.epoch:
            self._said = (step.epoch, step.seconds)
        elif step.seconds - seconds >= _LINE_SECONDS:
            self._said = (epoch, step.seconds)
            if not self.is_live:
                self.say(f"epoch {epoch}, step {step.done:,} of {step.num_steps:,}: {self._describe()}")

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
        self._speed = TrainingSpeed(self._total)

    def _describe(self) -> str:
        return self._speed.describe(self._records or (), peak_memory())


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
    speed += "".join(f", {each}" for each in describe_memory(record))
    return (
        f"epoch {cells['epoch']} of {num_epochs}: rate {cells['rate']}, loss {cells['loss']}, "
        f"training {cells['training']}, validation {cells['validation']}{average}, top-5 {cells['top-5']}, "
        f"{cells['seconds']} s{speed}{''.join(f', {problem}' for problem in problems(record))}"
    )


def problems(record: Record) -> Iterator[str]:
    """Says what slowed an epoch down, and which images could not be decoded."""
    yield from describe_waiting(record.get("wait_seconds", 0.0), record["seconds"])
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
