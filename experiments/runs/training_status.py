"""Status of a run that is not a search: how far each of its trainings is, from their records alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from experiments.config.kinds import ConfigKind, kind_of
from experiments.runs.live_display import describe_seconds
from experiments.runs.printing import say
from experiments.runs.run_folder import RunFolder

MAX_SHOWN = 40


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        folder: Relative to that of the run; empty for the run itself.
        unit: ``epoch`` or ``iteration``.
        done: Number of them that are recorded.
        total: Of the whole training; None if a schedule sets it.
        score: The last measured one, 0..1: top-1 accuracy, average precision or mean IoU on the validation images.
        seconds_since: Since the last record.
    """

    folder: str
    unit: str
    done: int
    total: int | None
    is_finished: bool
    loss: float | None
    score: float | None
    seconds_since: float


@dataclass(frozen=True, slots=True)
class TrainingsStatus:
    """Status of a run of `nas train` and the other commands that train: its trainings in the order of their folders."""

    run: str
    command: str
    is_finished: bool
    trainings: Sequence[TrainingProgress]

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def trainings_status(folder: RunFolder, document: Mapping[str, Any]) -> TrainingsStatus:
    """Returns the status of a run with this configuration; ValueError if a file in it is not valid."""
    kind = kind_of(document)
    trainings = tuple(_trainings(folder.path, kind, document))
    finished = folder.is_finished(kind) or bool(
        kind.result is None and trainings and all(t.is_finished for t in trainings)
    )
    return TrainingsStatus(str(folder.path), kind.command, finished, trainings)


def print_trainings(status: TrainingsStatus, console: Console) -> None:
    """Prints the status of trainings."""
    num_finished = sum(each.is_finished for each in status.trainings)
    state = "finished" if status.is_finished else "not finished; run the same command to resume"
    say(console, f"{status.run}: nas {status.command}, {state}")
    if not status.trainings:
        say(console, "no epoch or iteration is recorded yet")
        return
    if len(status.trainings) > 1:
        say(console, f"{num_finished} of {len(status.trainings)} trainings that were started are finished")
    columns = ("progress", "loss", "score (%)", "last record")
    table = Table("training", *(Column(name, justify="right") for name in columns))
    for each in status.trainings[-MAX_SHOWN:]:
        total = "" if each.total is None else f" of {each.total}"
        loss = "" if each.loss is None else f"{each.loss:.4f}"
        score = "" if each.score is None else f"{100 * each.score:.2f}"
        progress = f"{each.unit} {each.done}{total}{', finished' * each.is_finished}"
        table.add_row(each.folder or ".", progress, loss, score, f"{describe_seconds(each.seconds_since)} ago")
    console.print(table)


def _trainings(path: Path, kind: ConfigKind, document: Mapping[str, Any]) -> Iterator[TrainingProgress]:
    from nas.training.run import METRICS_FILE, RESULT_FILE, read_records

    unit = "iteration" if kind.counts_iterations else "epoch"
    recipe = document.get("recipe")
    total = recipe.get(f"{unit}s") if isinstance(recipe, Mapping) else None
    if kind.command == "study pretraining" or (document.get("detection") or {}).get("schedule"):
        total = None
    for file in sorted(path.glob(f"**/{METRICS_FILE}")):
        try:
            records = read_records(file.parent)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        if not records:
            continue
        place = file.parent.relative_to(path)
        yield TrainingProgress(
            folder="" if place == Path() else str(place),
            unit=unit,
            done=int(records[-1].get(unit, len(records))),
            total=total if isinstance(total, int) else None,
            is_finished=(file.parent / RESULT_FILE).is_file(),
            loss=records[-1].get("loss"),
            score=next((score for each in reversed(records) if (score := _score(each)) is not None), None),
            seconds_since=max(0.0, time.time() - file.stat().st_mtime),
        )


def _score(record: Mapping[str, Any]) -> float | None:
    if "evaluation" in record:
        scores: Mapping[str, Any] = record["evaluation"]
        score: float | None = scores["box"]["ap"] if "box" in scores else scores.get("mean_iou")
        return score
    shares = [each["top1"] for each in (record.get("validation") or {}).values()]
    return max(shares, default=None)
