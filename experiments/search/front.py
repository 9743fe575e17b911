"""The Pareto front of a run: a function of its ledger. Reads without a lock, also while the search runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from experiments.config.objective_settings import ObjectiveSettings
from experiments.config.parsing.sections import validate_section
from experiments.runs.printing import say
from experiments.runs.run_folder import RunFolder
from nas.fronts import front, hypervolume, knee, reference_point
from nas.ledger.writer import read_ledger
from nas.objectives import Objectives, find_objective
from nas.records import LedgerContents, Record
from nas.trial import Success


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A trial on the front; `numbers` are its objectives as measured, in the order of `Front.objectives`."""

    trial: int
    numbers: tuple[float, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Front:
    """What no other trial of a run dominates, from the best to the worst in the first objective.

    Attributes:
        num_successes: different architectures that were measured.
        knee: place in `points` of the trial with the best balance, see `nas.fronts.knee`.
        reference: reference point of the hypervolume, as measured.
        hypervolume: in units of the objectives.
    """

    run: str
    objectives: tuple[str, ...]
    points: tuple[FrontPoint, ...]
    num_successes: int
    knee: int
    reference: tuple[float, ...]
    hypervolume: float

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def stored_objectives(document: Mapping[str, Any] | None) -> ObjectiveSettings:
    """The objectives of a stored configuration; those of older runs are empty."""
    section = (document or {}).get("objectives") or {}
    if not isinstance(section, Mapping):
        raise ValueError(f"section objectives must be a mapping of settings, got {section!r:.60}")
    return validate_section("objectives", section, ObjectiveSettings)


def run_front(run: Path, names: Sequence[str] = ()) -> Front:
    """Returns the front of a run, of the given objectives or those that it sought.

    Raises:
        ValueError: if there is no run, it has no objectives and none are given, a trial did not measure one of them, or
            no trial succeeded.
    """
    return front_of(RunFolder(run), names)[0]


def front_of(folder: RunFolder, names: Sequence[str] = ()) -> tuple[Front, list[Record]]:
    """Like `run_front`, with the records of its trials in the same order."""
    document = None if _is_bare(folder) else folder.search_document()
    names = tuple(names) or stored_objectives(document).names
    if not names:
        raise ValueError(f"{folder.path} sought no front: give --objectives, such as accuracy,parameters")
    objectives = Objectives.of(names)
    records = distinct_successes(read_ledger(folder.ranking))
    if not records:
        raise ValueError(f"{folder.path} has no successful trial yet")
    values = [objectives(record.outcome) for record in records if isinstance(record.outcome, Success)]
    places = sorted(front(values).tolist(), key=lambda place: values[place], reverse=True)
    chosen, best = [records[place] for place in places], [values[place] for place in places]
    reference = reference_point(best).tolist()
    signs = [1 if objective.maximized else -1 for objective in objectives]
    points = tuple(_point(record, objectives) for record in chosen)
    measured = tuple(sign * number for sign, number in zip(signs, reference, strict=True))
    path = str(folder.path)
    return Front(path, names, points, len(records), knee(best), measured, hypervolume(best, reference)), chosen


def _is_bare(folder: RunFolder) -> bool:
    """Whether there is a ledger without a configuration, as other programs may write it."""
    return folder.ledger.is_file() and not folder.config.exists()


def distinct_successes(contents: LedgerContents) -> list[Record]:
    """The first successful trial of each architecture that was not stopped early."""
    found: dict[str, Record] = {}
    for record in contents.finished:
        if isinstance(record.outcome, Success) and record.outcome.stopped_after is None:
            found.setdefault(record.fingerprint, record)
    return list(found.values())


def best_within(front: Front, bounds: Sequence[str]) -> int:
    """Place of the best point of a front in its first objective that keeps bounds such as ``latency=5``.

    Raises:
        ValueError: if a bound is not valid, or no point keeps all of them.
    """
    limits = []
    for bound in bounds:
        name, equals, text = bound.partition("=")
        if not equals or name not in front.objectives:
            raise ValueError(f"a bound must be OBJECTIVE=NUMBER, of {', '.join(front.objectives)}, got {bound!r:.60}")
        try:
            limit = float(text)
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit):
            raise ValueError(f"a bound must be OBJECTIVE=NUMBER, got {bound!r:.60}")
        limits.append((front.objectives.index(name), find_objective(name), limit))
    for place, point in enumerate(front.points):
        if all(objective.keeps(point.numbers[index], limit) for index, objective, limit in limits):
            return place
    raise ValueError(f"no point of the front of {front.run} keeps {' and '.join(bounds)}")


def print_front(front: Front, console: Console) -> None:
    """Prints a front as a table."""
    share = f"{len(front.points)} of {front.num_successes} architectures are on the front"
    say(console, f"{front.run}: {share}; hypervolume {front.hypervolume:.4g}")
    names = ["@front", "trial", *front.objectives]
    table = Table(*(Column(name.replace("_", " "), justify="right") for name in names), "fingerprint", "")
    objectives = [find_objective(name) for name in front.objectives]
    for place, point in enumerate(front.points):
        numbers = (objective.text(number) for objective, number in zip(objectives, point.numbers, strict=True))
        mark = "knee" if place == front.knee else ""
        table.add_row(str(place + 1), str(point.trial), *numbers, point.fingerprint[:8], mark)
    console.print(table)


def _point(record: Record, objectives: Objectives) -> FrontPoint:
    outcome = record.outcome
    if not isinstance(outcome, Success):  # the front is of successes
        raise TypeError(f"trial {record.trial.id} is not a success")
    return FrontPoint(record.trial.id, tuple(each.number(outcome) for each in objectives.each), record.fingerprint)
