"""A tournament of candidates under Ray Tune: asynchronous successive halving (ASHA, 1810.05934) stops losers early."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune

from nas.data.data_set import DataSet
from nas.fidelity import Fidelity
from nas.models.build import Buildable
from nas.training.run import Record, TrainingCallbacks, TrainingPlan, run_training
from workers.cluster.resources import WorkerResources
from workers.cluster.signals import kept_signals
from workers.errors import describe_error
from workers.tune.resumed_asha import KEPT, NAME, STOPPED, ResumedASHA, Stops

_METRIC = "accuracy"
_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}  # what must last is in the arena's folder


@dataclass(frozen=True, slots=True)
class Rules:
    """How a tournament goes.

    Attributes:
        grace_epochs: that every candidate gets before it can be stopped; None stands for a ninth of the full budget,
            since a candidate that has hardly begun shows little.
        reduction_factor: of the candidates that reached a rung, one in so many may go on; each rung lies at so many
            times the epochs of the one before.
    """

    grace_epochs: int | None = None
    reduction_factor: float = 3.0

    def __post_init__(self) -> None:
        if self.grace_epochs is not None and self.grace_epochs < 1:
            raise ValueError(f"grace_epochs must be at least 1, got {self.grace_epochs}")
        if not (math.isfinite(self.reduction_factor) and self.reduction_factor > 1):
            raise ValueError(f"reduction_factor must be above 1, got {self.reduction_factor}")

    def first_rung(self, epochs: int) -> int:
        """After how many of so many epochs the first candidates are stopped."""
        return min(epochs, self.grace_epochs or max(1, round(epochs / 9)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who takes part.

    Attributes:
        name: names its folder; letters, digits, ``-`` and ``_``.
        architecture: what is trained.
        seed: of its training.
    """

    name: str
    architecture: Buildable
    seed: int

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.replace("-", "").replace("_", "").isalnum()):
            raise ValueError(f"a candidate's name must be letters, digits, - and _, got {self.name!r:.100}")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a candidate came.

    Attributes:
        name: the candidate's.
        accuracies: validation accuracy after each of its epochs, between 0 and 1.
        error: what ended its training, if that failed.
    """

    name: str
    accuracies: tuple[float, ...]
    error: str | None = None

    @property
    def place(self) -> tuple[bool, int, float]:
        """What standings are ordered by: who went further is ahead, and among equals the higher last accuracy."""
        return self.error is None, len(self.accuracies), self.accuracies[-1] if self.accuracies else 0.0


@dataclass(frozen=True, slots=True)
class Arena:
    """What is the same for all candidates.

    Attributes:
        fidelity: network and recipe; the recipe's epochs are the full budget of one candidate.
        data: the images; those of the test are opened by `crown` alone.
        folder: where each candidate keeps its training, in a folder of its name: on a cluster one that all nodes see.
        teacher: of a recipe with distillation, see `nas.training.teacher.load_teacher`.
    """

    fidelity: Fidelity
    data: DataSet
    folder: Path
    teacher: str | None = None

    def candidate_folder(self, name: str) -> Path:
        """The folder of a candidate's training."""
        return self.folder / name

    def train(self, candidate: Candidate, watch: TrainingCallbacks = TrainingCallbacks()) -> dict[str, Any]:  # noqa: B008 - it is immutable
        """Trains a candidate from where its folder is to the end, tests it, and gives the result."""
        folder = self.candidate_folder(candidate.name)
        folder.mkdir(parents=True, exist_ok=True)
        plan = TrainingPlan(candidate.architecture, self.fidelity, candidate.seed, teacher=self.teacher)
        return run_training(plan, self.data, folder, watch)


def hold_tournament(
    candidates: Sequence[Candidate],
    arena: Arena,
    rules: Rules,
    *,
    each: WorkerResources,
    on_epoch: Callable[[Standing], None] | None = None,
) -> list[Standing]:
    """Trains candidates at the same time, stops losers early, and gives the winner the full budget.

    Each epoch is kept in the arena's folder as soon as it is done, and who was stopped. Called again after an
    interruption, candidates tell the epochs that they have behind them again, at once, and those that were not stopped
    go on: nothing is trained twice, and nothing is decided anew.

    Args:
        candidates: each with another name; the first are started first.
        arena: what is the same for all.
        rules: when a candidate is stopped.
        each: What the worker of each candidate gets, and how many run at a time.
        on_epoch: called with a candidate's standing after each epoch.

    Returns:
        The standings, the winner first.

    Raises:
        ValueError: if there is no candidate, or two have one name.
        RuntimeError: if a candidate could not be run at all, such as on a lost node beyond the retries.
    """
    _check_names(candidates)
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # without loggers it warns that it cannot read their files
    by_name = {candidate.name: candidate for candidate in candidates}
    scheduler = ResumedASHA(
        max_t=arena.fidelity.recipe.epochs,
        grace_period=rules.first_rung(arena.fidelity.recipe.epochs),
        reduction_factor=rules.reduction_factor,
        stops=Stops(arena.folder),
    )
    trainable = tune.with_parameters(_compete, candidates=by_name, arena=arena)
    with kept_signals(), tempfile.TemporaryDirectory() as storage:
        tuner = tune.Tuner(
            tune.with_resources(trainable, tune.PlacementGroupFactory([each.demand])),
            param_space={"name": tune.grid_search(list(by_name))},
            tune_config=tune.TuneConfig(
                metric=_METRIC,
                mode="max",
                scheduler=scheduler,
                max_concurrent_trials=each.max_workers,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                storage_path=storage,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=each.max_retries),  # of nodes: errors do not get here
                callbacks=[_Listener(on_epoch)] if on_epoch is not None else None,
            ),
        )
        results = tuner.fit()
    if results.errors:
        raise RuntimeError(f"a candidate could not be trained: {' '.join(str(results.errors[0]).split())[-500:]}")
    return ranked([_standing(results[place].metrics or {}) for place in range(len(results))])


def crown(winner: Candidate, arena: Arena, *, each: WorkerResources) -> dict[str, Any]:
    """Tests the winner of a tournament, on the cluster that it was trained on.

    Args:
        winner: a candidate that got the full budget.
        arena: of the tournament.
        each: What its worker gets.

    Returns:
        What its folder's ``result.json`` holds (see `nas.training.run.run_training`); ``network.safetensors`` lies
        beside it.

    Raises:
        RuntimeError: if the test failed.
    """
    options = {name: value for name, value in each.ray_options().items() if name != "num_returns"}
    test = ray.remote(Arena.train).options(**options)
    try:
        result: dict[str, Any] = ray.get(test.remote(arena, winner))
    except ray.exceptions.RayTaskError as error:
        raise RuntimeError(f"the winner {winner.name} could not be tested: {describe_error(error.cause)}") from None
    return result


def ranked(standings: Sequence[Standing]) -> list[Standing]:
    """The standings, the winner first; equal ones by name."""
    return sorted(standings, key=lambda standing: (*(-float(part) for part in standing.place), standing.name))


def _check_names(candidates: Sequence[Candidate]) -> None:
    names = [candidate.name for candidate in candidates]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"candidates must be one or more with different names, got {', '.join(names) or 'none'}")


def _compete(config: dict[str, str], *, candidates: dict[str, Candidate], arena: Arena) -> None:
    """What Tune runs for each candidate: reports its standing after each epoch, until Tune stops it."""
    candidate = candidates[config["name"]]
    accuracies: list[float] = []
    num_kept: int | None = None
    stops = Stops(arena.folder)

    def report(records: Sequence[Record]) -> None:
        nonlocal num_kept
        num_kept = len(records) if num_kept is None else num_kept  # at first it is called with all that are kept
        for number, record in enumerate(records[len(accuracies) :], start=len(accuracies) + 1):
            accuracies.append(max(score["top1"] for score in record["validation"].values()))
            has_lost = number == num_kept and candidate.name in stops
            _report(Standing(candidate.name, tuple(accuracies)), kept=number <= num_kept, stopped=has_lost)
        if len(accuracies) == arena.fidelity.recipe.epochs:
            raise _FullBudgetReached

    try:
        arena.train(candidate, TrainingCallbacks(after_epoch=report))
    except _FullBudgetReached:
        return  # only the winner is tested
    except Exception as error:  # whatever a network does wrong concerns its own candidate only
        _report(Standing(candidate.name, tuple(accuracies), describe_error(error)), kept=True)


class _FullBudgetReached(Exception):  # noqa: N818 - not an error
    """Ends a training before its test."""


def _report(standing: Standing, *, kept: bool, stopped: bool = False) -> None:
    reached = 0.0 if standing.error else standing.accuracies[-1]
    told = {NAME: standing.name, KEPT: kept, STOPPED: stopped}
    tune.report({_METRIC: reached, "standing": asdict(standing), **told})


def _standing(metrics: dict[str, Any]) -> Standing:
    value = metrics["standing"]
    return Standing(value["name"], tuple(value["accuracies"]), value["error"])


class _Listener(tune.Callback):
    """Passes on what candidates report."""

    def __init__(self, on_epoch: Callable[[Standing], None]) -> None:
        self._on_epoch = on_epoch

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes its callbacks down, to restore what is never restored here; who listens cannot be written."""
        return {}

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: object,  # noqa: ARG002
        result: dict[str, Any],
        **_info: object,
    ) -> None:
        """Called by Tune."""
        self._on_epoch(_standing(result))
