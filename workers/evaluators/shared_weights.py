"""Evaluates a trial with weights that it shares with other trials (`nas.sharing`).

With the controller ``ppo`` this is ENAS (1802.03268), with ``random`` random search with weight sharing (1902.07638),
and with ``evolution``, whose first population outlasts the training, single path one-shot (1904.00420).
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.data.data_set import DataSet
from nas.files.storage import StorageError
from nas.sharing.store import Store
from nas.sharing.training import SharedPlan, train_borrowed, validate_borrowed
from nas.training.initial import build_initial
from nas.training.loop import DivergedError
from nas.trial import Failure, FailureKind, Outcome, Success, Trial
from workers.errors import describe_error, failure_kind
from workers.evaluators.size_limits import TooLargeError, buildable, measure_within


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class SharedWeightsSettings:
    """How trials share weights. The recipe is that of all trials together; after its epochs, trials do not train.

    Attributes:
        steps: Optimization steps of a trial.
        max_staleness: Changes of a tensor by other trials, while a trial trains it, beyond which its own is dropped.
        checkpoint_trials: Trials after which the store is written to the run folder.
        final_draws: Architectures that are drawn from the controller at the end and scored with the final weights.
    """

    steps: Annotated[int, Field(ge=1)] = 20
    max_staleness: Annotated[int, Field(ge=0)] = 8
    checkpoint_trials: Annotated[int, Field(ge=1)] = 20
    final_draws: Annotated[int, Field(ge=0, le=10**6)] = 200


def shared_weights(
    trial: Trial,
    *,
    data: DataSet,
    store: Store,
    max_parameters: int | None = None,
    max_multiply_adds: int | None = None,
) -> Outcome:
    """Trains a trial's network for some steps with shared weights and evaluates it on the validation split.

    The outcome's metrics count what became of the changes, see `nas.sharing.store.Receipt`. Only a
    `nas.files.storage.StorageError` is raised.

    Args:
        trial: the trial, whose fidelity has `Fidelity.shared_steps`.
        data: the images.
        store: the shared weights.
        max_parameters: networks with more parameters are not trained.
        max_multiply_adds: networks with more multiply-adds per image are not trained.
    """
    started = time.perf_counter()
    try:
        complexity = measure_within(trial, max_parameters, max_multiply_adds)
        share, metrics = _measure(trial, data, store)
    except StorageError:  # the checkpoint of the store
        raise
    except Exception as error:  # an error of one network must not end the search
        kinds: dict[type[Exception], FailureKind] = {DivergedError: "diverged", TooLargeError: "too_large"}
        kind = kinds.get(type(error)) or failure_kind(error)
        failure = Failure(trial.id, kind, describe_error(error), time.perf_counter() - started)
    else:
        return Success(
            trial.id,
            share,
            num_parameters=complexity.num_parameters,
            num_multiply_adds=complexity.num_multiply_adds,
            train_seconds=time.perf_counter() - started,
            metrics=metrics,
        )
    if failure.kind == "out_of_memory" and torch.cuda.is_available():
        torch.cuda.empty_cache()  # only after the except block, which keeps the network's tensors alive
    return failure


def _measure(trial: Trial, data: DataSet, store: Store) -> tuple[float, dict[str, float]]:
    fidelity = trial.fidelity
    if fidelity.shared_steps is None:
        raise ValueError("a trial with shared weights needs a fidelity with shared_steps, got None")
    network = build_initial(buildable(trial), fidelity.network, fidelity.recipe, seed=trial.seed)
    plan = SharedPlan(fidelity.recipe, fidelity.shared_steps, trial.id, trial.seed)
    trained = train_borrowed(network, data, plan, store)
    share = validate_borrowed(network, data, fidelity.recipe)
    if trained is None:
        return share, {}
    result, receipt = trained
    counts = {name: float(value) for name, value in asdict(receipt).items()}
    return share, {"train_loss": result.loss, "train_accuracy": result.accuracy, **counts}
