"""A tournament of candidates under Ray Tune: asynchronous successive halving (ASHA, 1810.05934) stops losers early."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray import tune

from nas.data.data_set import DataSet
from nas.fidelity import Fidelity
from nas.files.storage import StorageError, make_folder
from nas.models.reference.descriptions import Buildable
from nas.plugins import Session, session
from nas.training.run import Record, TrainingCallbacks, TrainingPlan, run_training
from workers.cluster.resources import WorkerResources
from workers.cluster.signals import kept_signals
from workers.errors import describe_error
from workers.tune.resumed_asha import KEPT, NAME, STOPPED, STOPPED_FILE, ResumedASHA

_METRIC = "accuracy"
_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}  # the candidates' folders hold all results


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of a tournament.

    Attributes:
        grace_epochs: Epochs before a candidate can be stopped; None is a ninth of the full budget.
        reduction_factor: Ratio of the epochs of successive rungs, and of the candidates that enter and leave each.
    """

    grace_epochs: int | None = None
    reduction_factor: float = 3.0

    def __post_init__(self) -> None:
        if self.grace_epochs is not None and self.grace_epochs < 1:
            raise ValueError(f"grace_epochs must be at least 1, got {self.grace_epochs}")
        if not (math.isfinite(self.reduction_factor) and self.reduction_factor > 1):
            raise ValueError(f"reduction_factor must be above 1, got {self.reduction_factor}")

    def first_rung(self, epochs: int) -> int:
        """Returns the number of epochs of the first rung."""
        return min(epochs, self.grace_epochs or max(1, round(epochs / 9)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate of a tournament: the name of its folder, an architecture and the seed of its training."""

    name: str
    architecture: Buildable
    seed: int

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.replace("-", "").replace("_", "").isalnum()):
            raise ValueError(f"a candidate's name must be letters, digits, - and _, got {self.name!r:.100}")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a candidate came: validation accuracy after each epoch, 0..1, and the error that ended its training."""

    name: str
    accuracies: tuple[float, ...]
    error: str | None = None

    @property
    def place(self) -> tuple[bool, int, float]:
        """Key for ordering: number of epochs, then last accuracy."""
        return self.error is None, len(self.accuracies), self.accuracies[-1] if self.accuracies else 0.0


@dataclass(frozen=True, slots=True)
class TournamentContext:
    """What all candidates of a tournament share.

    Attributes:
        fidelity: Network and recipe; the recipe's epochs are the full budget of one candidate.
        data: The images; only `evaluate_winner` reads those of the test.
        folder: Holds a folder of each candidate; on a cluster, all nodes must see it.
        teacher: Of a recipe with distillation, see `nas.training.teacher.load_teacher`.
        plugins: What is plugged into this process, for the workers.
    """

    fidelity: Fidelity
    data: DataSet
    folder: Path
    teacher: str | None = None
    plugins: Session = field(default_factory=session)

    def train(self, candidate: Candidate, watch: TrainingCallbacks = TrainingCallbacks()) -> dict[str, Any]:  # noqa: B008 - it is immutable
        """Trains a candidate, or resumes its training, evaluates it on the test images and returns the result."""
        self.plugins.restore()
        folder = self.folder / candidate.name
        make_folder(folder)
        plan = TrainingPlan(candidate.architecture, self.fidelity, candidate.seed, teacher=self.teacher)
        return run_training(plan, self.data, folder, watch)


def run_tournament(
    candidates: Sequence[Candidate],
    context: TournamentContext,
    rules: Rules,
    *,
    each: WorkerResources,
    on_epoch: Callable[[Standing], None] | None = None,
) -> list[Standing]:
    """Trains candidates in parallel, stops the weaker ones early, and trains the winner for the full budget.

    Each epoch and each stop is stored in the candidates' folders. If called again after an interruption, candidates
    report their stored epochs at once, and those not stopped resume: no epoch is trained twice, and decisions stay.

    Args:
        candidates: The candidates, with unique names, in the order of starting.
        context: What all candidates share.
        rules: When a candidate is stopped.
        each: What the worker of each candidate gets, and how many run at a time.
        on_epoch: Called with a candidate's standing after each epoch.

    Returns:
        The standings, the winner first.

    Raises:
        ValueError: If there is no candidate, or names are not unique.
        RuntimeError: If a candidate could not be run at all, as after more lost nodes than retries.
    """
    by_name = _by_name(candidates)
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it warns that it has no loggers
    epochs, factor = context.fidelity.recipe.epochs, rules.reduction_factor
    scheduler = ResumedASHA(
        max_t=epochs, grace_period=rules.first_rung(epochs), reduction_factor=factor, folder=context.folder
    )
    trainable = tune.with_parameters(_train_candidate, candidates=by_name, context=context)
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
                failure_config=tune.FailureConfig(max_failures=each.max_retries),  # lost nodes: errors are results
                callbacks=[_Listener(on_epoch)] if on_epoch is not None else None,
            ),
        )
        results = tuner.fit()
    if results.errors:
        raise RuntimeError(f"a candidate could not be trained: {' '.join(str(results.errors[0]).split())[-500:]}")
    return ranked([_standing(results[place].metrics or {}) for place in range(len(results))])


def evaluate_winner(winner: Candidate, context: TournamentContext, *, each: WorkerResources) -> dict[str, Any]:
    """Evaluates the winner of a tournament on the test images, on the same cluster; RuntimeError if that fails.

    Returns:
        The content of ``result.json``, which is written beside ``network.safetensors`` in its folder.
    """
    options = {name: value for name, value in each.ray_options().items() if name != "num_returns"}
    test = ray.remote(**options)(TournamentContext.train)
    try:
        result: dict[str, Any] = ray.get(test.remote(context, winner))
    except ray.exceptions.RayTaskError as error:
        raise RuntimeError(f"the winner {winner.name} could not be tested: {describe_error(error.cause)}") from None
    return result


def ranked(standings: Sequence[Standing]) -> list[Standing]:
    """Sorts standings, the winner first; equal ones by name."""
    return sorted(standings, key=lambda standing: (*(-float(part) for part in standing.place), standing.name))


def _by_name(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    by_name = {candidate.name: candidate for candidate in candidates}
    if not by_name or len(by_name) < len(candidates):
        names = ", ".join(candidate.name for candidate in candidates)
        raise ValueError(f"candidates must be one or more with different names, got {names or 'none'}")
    return by_name


def _train_candidate(config: dict[str, str], *, candidates: dict[str, Candidate], context: TournamentContext) -> None:
    """Trains a candidate and reports its standing after each epoch, until Tune stops it."""
    candidate = candidates[config["name"]]
    accuracies: list[float] = []
    num_kept: int | None = None
    stopped = (context.folder / candidate.name / STOPPED_FILE).exists()

    def report(records: Sequence[Record]) -> None:
        nonlocal num_kept
        num_kept = len(records) if num_kept is None else num_kept  # the first call gets the stored epochs
        for number, record in enumerate(records[len(accuracies) :], start=len(accuracies) + 1):
            accuracies.append(max(score["top1"] for score in record["validation"].values()))
            standing = Standing(candidate.name, tuple(accuracies))
            _report(standing, kept=number <= num_kept, stopped=stopped and number == num_kept)
        if len(accuracies) == context.fidelity.recipe.epochs:
            raise _FullBudgetReached

    try:
        context.train(candidate, TrainingCallbacks(after_epoch=report))
    except _FullBudgetReached:
        return  # the test is for the winner only
    except StorageError:
        raise
    except Exception as error:  # whatever a network does wrong concerns its own candidate only
        _report(Standing(candidate.name, tuple(accuracies), describe_error(error)), kept=True)


class _FullBudgetReached(Exception):  # noqa: N818 - not an error
    """Ends a training before its test."""


def _report(standing: Standing, *, kept: bool, stopped: bool = False) -> None:
    reached = 0.0 if standing.error else standing.accuracies[-1]
    tune.report({_METRIC: reached, "standing": asdict(standing), NAME: standing.name, KEPT: kept, STOPPED: stopped})


def _standing(metrics: dict[str, Any]) -> Standing:
    value = metrics["standing"]
    return Standing(value["name"], tuple(value["accuracies"]), value["error"])


class _Listener(tune.Callback):
    """Forwards the reports of the candidates."""

    def __init__(self, on_epoch: Callable[[Standing], None]) -> None:
        self._on_epoch = on_epoch

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks to restore them, which is not needed here."""
        return {}

    def on_trial_result(self, *_: object, **info: Any) -> None:  # noqa: ANN401 - Tune's
        """Called by Tune."""
        self._on_epoch(_standing(info["result"]))
