"""Status of a run: progress, failures by kind, the best trials. Reads without a lock, also while the search runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from experiments.config.kinds import SEARCH, kind_of
from experiments.config.named import stored_reward
from experiments.runs.live_display import describe_seconds
from experiments.runs.live_search import NUM_RECENT
from experiments.runs.printing import one_line, say
from experiments.runs.run_folder import RunFolder
from experiments.runs.training_status import TrainingsStatus, print_trainings, trainings_status
from nas.ledger.writer import read_ledger
from nas.objectives import LATENCY, OBJECTIVES, PEAK_MEMORY
from nas.plain import PlainDescription
from nas.records import LedgerContents
from nas.rewards import Reward
from nas.trial import Failure, Success

NUM_BEST = 10
COSTS = {"latency": LATENCY, "peak_memory": PEAK_MEMORY, "shifted_accuracy": "shifted_accuracy"}
"""Objectives that are shown if trials measured them, sought or only bounded, and their metrics."""


@dataclass(frozen=True, slots=True)
class BestTrial:
    """One of the best trials of a run, with its rank from 1, what it is if that is plain data, and what it costs.

    `costs` has the objectives of `COSTS` that were measured, by name.
    """

    rank: int
    trial: int
    reward: float
    accuracy: float
    num_parameters: int
    num_multiply_adds: int
    train_seconds: float
    fingerprint: str
    value: Mapping[str, Any] | None = None
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Status of a run.

    Attributes:
        num_trials: Of the finished run.
        num_pending: Trials that were asked for and are not finished.
        num_stopped: Trials that early stopping ended at a rung.
        num_only_scored: Those of them that scores ended after 0 epochs, without an accuracy.
        num_epochs: Epochs trained for all successful trials.
        failures: Number of failures by kind.
        mean_recent: Mean accuracy of the last successes.
        ranked: File of the trials among which are the best: draws at the end with shared weights, else the ledger.
        warning: What was wrong with the ledger, if anything.
    """

    run: str
    controller: str | None
    space: str | None
    data: str | None
    num_trials: int | None
    num_finished: int
    num_pending: int
    num_succeeded: int
    num_cached: int
    num_stopped: int
    num_only_scored: int
    num_epochs: int
    num_failed: int
    failures: Mapping[str, int]
    last_failure: str | None
    mean_recent: float | None
    worker_seconds: float
    seconds_since_last: float | None
    ranked: str
    best: Sequence[BestTrial]
    warning: str | None

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def run_status(run: Path) -> RunStatus | TrainingsStatus:
    """Returns the status of a search, or of a run that trains; ValueError if there is none or a file is not valid."""
    folder = RunFolder(run)
    document = folder.document()
    return trainings_status(folder, document) if kind_of(document) is not SEARCH else search_status(folder, document)


def search_status(folder: RunFolder, document: Mapping[str, Any]) -> RunStatus:
    """Returns the status of a search whose configuration is `document`; ValueError if a file is not valid."""
    contents, ranking = read_ledger(folder.ledger), folder.ranking
    is_trained = _setting(document, "evaluator", "name") != "zero_cost"
    finished = contents.finished
    successes = [record.outcome for record in finished if isinstance(record.outcome, Success)]
    failures = [record.outcome for record in finished if isinstance(record.outcome, Failure)]
    recent = [success.accuracy for success in successes if not success.was_only_scored][-NUM_RECENT:]
    return RunStatus(
        run=str(folder.path),
        controller=_setting(document, "controller", "name"),
        space=_setting(document, "space", "name"),
        data=_setting(document, "data", "name"),
        num_trials=_setting(document, "search", "num_trials"),
        num_finished=len(finished),
        num_pending=len(contents.pending),
        num_succeeded=len(successes),
        num_cached=sum(success.cached for success in successes),
        num_stopped=sum(success.stopped_after is not None for success in successes),
        num_only_scored=sum(success.was_only_scored for success in successes),
        num_epochs=sum(record.num_epochs for record in finished) if is_trained else 0,
        num_failed=len(failures),
        failures=dict(Counter(failure.kind for failure in failures)),
        last_failure=f"trial {failures[-1].trial_id}: {failures[-1].error}" if failures else None,
        mean_recent=sum(recent) / len(recent) if recent else None,
        worker_seconds=sum(record.outcome.train_seconds for record in finished),
        seconds_since_last=time.time() - finished[-1].finished_at if finished else None,
        ranked=ranking.name,
        best=_best(contents if ranking == folder.ledger else read_ledger(ranking), stored_reward(document)),
        warning=contents.warning,
    )


def print_status(status: RunStatus | TrainingsStatus, console: Console) -> None:
    """Prints the status of a run."""
    if isinstance(status, TrainingsStatus):
        print_trainings(status, console)
        return
    lines = [
        f"{status.run}: {status.controller} on {status.space}, {status.data}",
        f"{status.num_finished} of {status.num_trials} trials finished, {status.num_pending} pending, "
        f"{status.num_cached} cached, {status.num_failed} failed{_failures(status)}",
    ]
    if status.num_stopped:
        scored = f", {status.num_only_scored} of them after 0 epochs (scores)" if status.num_only_scored else ""
        lines.append(f"{status.num_stopped} stopped early{scored}; {status.num_epochs:,} epochs trained in all")
    if status.mean_recent is not None:
        lines.append(f"mean accuracy of the last {NUM_RECENT}: {status.mean_recent:.2%}")
    if status.seconds_since_last is not None:
        spent, ago = describe_seconds(status.worker_seconds), describe_seconds(status.seconds_since_last)
        lines.append(f"worker time: {spent}; last outcome {ago} ago")
    if status.warning:
        lines.append(f"warning: {status.warning}")
    for line in lines:
        say(console, line)
    if status.best:
        console.print(_table(status.best, "draw" if status.ranked.startswith("draws") else "trial"))


def _failures(status: RunStatus) -> str:
    if status.last_failure is None:
        return ""
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(status.failures.items()))
    return f" ({kinds}; last: {one_line(status.last_failure)[:200]})"


def _table(best: Sequence[BestTrial], what: str) -> Table:
    rewarded = any(row.reward != row.accuracy for row in best)
    reward = ["reward"] if rewarded else []
    sized = any(row.value is None for row in best)
    size = ["parameters", "multiply-adds"] if sized else []
    costs = [name for name in COSTS if any(name in row.costs for row in best)]
    names = ["@k", what, *reward, "accuracy", *size, *(name.replace("_", " ") for name in costs), "seconds"]
    table = Table(*(Column(name, justify="right") for name in names), "fingerprint" if sized else "value")
    for row in best:
        numbers = [*([f"{row.reward:.4f}"] if rewarded else []), f"{row.accuracy:.2%}"]
        numbers += [f"{row.num_parameters:,}", f"{row.num_multiply_adds / 1e6:,.1f} M"] if sized else []
        numbers += [OBJECTIVES[name].text(row.costs[name]) if name in row.costs else "" for name in costs]
        last = row.fingerprint[:8] if sized else escape(_shown(row.value or {}))
        table.add_row(str(row.rank), str(row.trial), *numbers, f"{row.train_seconds:,.1f}", last)
    return table


def _shown(value: Mapping[str, Any]) -> str:
    return one_line(", ".join(f"{key} {part}" for key, part in value.items()))[:200]


def _best(contents: LedgerContents, reward: Reward) -> list[BestTrial]:
    return [
        BestTrial(
            rank=rank,
            trial=best.trial_id,
            reward=reward(best),
            accuracy=best.accuracy,
            num_parameters=best.num_parameters,
            num_multiply_adds=best.num_multiply_adds,
            train_seconds=best.train_seconds,
            fingerprint=record.fingerprint,
            value=described.value if isinstance(described := record.trial.architecture, PlainDescription) else None,
            costs={name: best.metrics[metric] for name, metric in COSTS.items() if metric in best.metrics},
        )
        for rank, record in enumerate(contents.best(NUM_BEST, reward), start=1)
        if isinstance(best := record.outcome, Success)
    ]


def _setting(document: Mapping[str, Any], section: str, key: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    value = document.get(section)
    return value.get(key) if isinstance(value, dict) else None
