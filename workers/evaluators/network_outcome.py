"""What all evaluators of networks do around their measurement: limits of size, time, and errors as failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from nas.files.storage import StorageError
from nas.training.loop import DivergedError
from nas.trial import Failure, FailureKind, Outcome, Success, Trial
from workers.errors import describe_error, failure_kind
from workers.evaluators.costs import CostPlan
from workers.evaluators.size_limits import TooLargeError, buildable, measure_within

_KINDS: Mapping[type[Exception], FailureKind] = {DivergedError: "diverged", TooLargeError: "too_large"}


def network_outcome(
    trial: Trial,
    evaluate: Callable[[], tuple[float, dict[str, float]]],
    *,
    max_parameters: int | None,
    max_multiply_adds: int | None,
    costs: CostPlan | None = None,
) -> Outcome:
    """Evaluates a trial's network, unless it is too large.

    An exception becomes a `Failure`, except a `nas.files.storage.StorageError`: a file that cannot be written says
    nothing about the network.

    Args:
        trial: the trial.
        evaluate: returns the accuracy and further metrics.
        max_parameters: networks with more parameters are not evaluated.
        max_multiply_adds: networks with more multiply-adds per image are not evaluated.
        costs: costs to measure, and bounds on them; a network that breaks one is not evaluated.
    """
    started = time.perf_counter()
    try:
        complexity = measure_within(trial, max_parameters, max_multiply_adds)
        measured = {} if costs is None else costs.measure(buildable(trial), trial.fidelity.network)
        accuracy, metrics = evaluate()
    except StorageError:
        raise
    except Exception as error:  # an error of one network must not end the search
        kind = _KINDS.get(type(error)) or failure_kind(error)
        failure = Failure(trial.id, kind, describe_error(error), time.perf_counter() - started)
    else:
        return Success(
            trial.id,
            accuracy,
            num_parameters=complexity.num_parameters,
            num_multiply_adds=complexity.num_multiply_adds,
            train_seconds=time.perf_counter() - started,
            metrics={**metrics, **measured},
        )
    if failure.kind == "out_of_memory" and torch.cuda.is_available():
        torch.cuda.empty_cache()  # only after the except block, which keeps the network's tensors alive
    return failure
