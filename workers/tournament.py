"""A tournament of candidates under Ray Tune: asynchronous successive halving (ASHA, 1810.05934) stops losers early."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler

from nas.checkpoint import save_checkpoint
from nas.data.data_set import DataSet
from nas.fidelity import Fidelity
from nas.models.build import Buildable
from nas.training.initial import build_initial
from nas.training.loop import accuracy, start_training
from nas.training.state import TrainingState, read_state, remove_unfinished, write_state
from workers.evaluate import describe

_METRIC = "accuracy"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a tournament goes.

    Attributes:
        grace_epochs: that every candidate gets before it can be stopped.
        reduction_factor: of the candidates that reached a rung, one in so many may go on; each rung lies at so many
            times the epochs of the one before.
        max_retries: how often a candidate goes on from its last epoch after its worker or node was lost.
    """

    grace_epochs: int = 1
    reduction_factor: float = 3.0
    max_retries: int = 3

    def __post_init__(self) -> None:
        if self.grace_epochs < 1:
            raise ValueError(f"grace_epochs must be at least 1, got {self.grace_epochs}")
        if not (math.isfinite(self.reduction_factor) and self.reduction_factor > 1):
            raise ValueError(f"reduction_factor must be above 1, got {self.reduction_factor}")
        if self.max_retries < 0:
            raise ValueError(f"max_retries must be at least 0, got {self.max_retries}")


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
        data: the images; the test split is not looked at.
        folder: where each candidate keeps its training, in a folder of its name: on a cluster one that all nodes see.
    """

    fidelity: Fidelity
    data: DataSet
    folder: Path

    def state_file(self, name: str) -> Path:
        """The training of a candidate, as it was after its last epoch."""
        return self.folder / name / "state.safetensors"

    def weights_file(self, name: str) -> Path:
        """The network of a candidate that got the full budget, as a checkpoint."""
        return self.folder / name / "network.safetensors"


def hold_tournament(
    candidates: Sequence[Candidate],
    arena: Arena,
    rules: Rules,
    *,
    demand: dict[str, float],
    max_workers: int | None = None,
    on_epoch: Callable[[Standing], None] | None = None,
) -> list[Standing]:
    """Trains candidates at the same time, stops losers early, and gives the winner the full budget.

    Each epoch is kept in the arena's folder as soon as it is done. Called again after an interruption, candidates tell
    the epochs that they have behind them again, at once, and go on: nothing is trained twice.

    Args:
        candidates: each with another name; the first are started first.
        arena: what is the same for all.
        rules: when a candidate is stopped.
        demand: what each candidate takes of the cluster, by Ray's names of resources.
        max_workers: the most candidates at a time; None takes all that the cluster holds.
        on_epoch: called with a candidate's standing after each epoch.

    Returns:
        The standings, the winner first.

    Raises:
        ValueError: if there is no candidate, or two have one name.
        RuntimeError: if a candidate could not be run at all, such as on a lost node beyond the retries.
    """
    _check_names(candidates)
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # what must last is in the arena's folder
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # without loggers it warns that it cannot read their files
    by_name = {candidate.name: candidate for candidate in candidates}
    scheduler = ASHAScheduler(
        max_t=arena.fidelity.recipe.epochs,
        grace_period=min(rules.grace_epochs, arena.fidelity.recipe.epochs),
        reduction_factor=rules.reduction_factor,
    )
    trainable = tune.with_parameters(_compete, candidates=by_name, arena=arena)
    with tempfile.TemporaryDirectory() as storage:
        tuner = tune.Tuner(
            tune.with_resources(trainable, tune.PlacementGroupFactory([demand])),
            param_space={"name": tune.grid_search(list(by_name))},
            tune_config=tune.TuneConfig(
                metric=_METRIC, mode="max", scheduler=scheduler, max_concurrent_trials=max_workers
            ),
            run_config=tune.RunConfig(
                storage_path=storage,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=rules.max_retries),
                callbacks=[_Listener(on_epoch)] if on_epoch is not None else None,
            ),
        )
        results = tuner.fit()
    if results.errors:
        raise RuntimeError(f"a candidate could not be trained: {' '.join(str(results.errors[0]).split())[-500:]}")
    return ranked([_standing(results[place].metrics or {}) for place in range(len(results))])


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
    standing = Standing(candidate.name, ())
    try:
        for standing in _epochs(candidate, arena):
            _report(standing)
    except Exception as error:  # whatever a network does wrong concerns its own candidate only
        _report(Standing(candidate.name, standing.accuracies, describe(error)))


def _report(standing: Standing) -> None:
    reached = 0.0 if standing.error else standing.accuracies[-1]
    tune.report({_METRIC: reached, "standing": asdict(standing)})


def _epochs(candidate: Candidate, arena: Arena) -> Iterator[Standing]:
    """The standing after each epoch: those that are kept first, then those that are still to be trained."""
    recipe, data, file = arena.fidelity.recipe, arena.data, arena.state_file(candidate.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(file)
    network = build_initial(candidate.architecture, arena.fidelity.network, recipe, seed=candidate.seed)
    with start_training(network, data, recipe, seed=candidate.seed) as training:
        accuracies: tuple[float, ...] = ()
        if (kept := read_state(file)) is not None:
            training.restore(kept)
            accuracies = tuple(kept.values["accuracies"])
        for number in range(1, len(accuracies) + 1):
            yield Standing(candidate.name, accuracies[:number])
        while training.num_epochs < recipe.epochs:
            training.run_epoch()
            accuracies = (*accuracies, accuracy(network, data.validation, data, recipe))
            if training.num_epochs == recipe.epochs:  # before the state: killed in between, it does this epoch again
                save_checkpoint(arena.weights_file(candidate.name), network, data=data, accuracy=accuracies[-1])
            state = training.state()
            write_state(file, TrainingState(state.tensors, {**state.values, "accuracies": accuracies}))
            yield Standing(candidate.name, accuracies)


def _standing(metrics: dict[str, Any]) -> Standing:
    value = metrics["standing"]
    return Standing(value["name"], tuple(value["accuracies"]), value["error"])


class _Listener(tune.Callback):
    """Passes on what candidates report."""

    def __init__(self, on_epoch: Callable[[Standing], None]) -> None:
        self._on_epoch = on_epoch

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
