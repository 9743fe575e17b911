"""Runs one evaluation so that any error in it becomes a `Failure`; every pool evaluates through `guard`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nas.architecture import Architecture
from nas.files.storage import StorageError
from nas.trial import Failure, Outcome, Success, Trial, outcome_from_json
from workers.errors import MAX_LENGTH, describe_error, failure_kind, safe_text

_WHOLE = ("trial_id", "num_parameters", "num_multiply_adds")


def guard(evaluate: Callable[..., Outcome], trial: Trial, arguments: Mapping[str, Any]) -> Outcome:
    """Returns the outcome of ``evaluate(trial, **arguments)``, as plain data that a ledger can hold.

    A plain number is taken as the accuracy of a `Success`, whose size and time are filled in. An exception becomes a
    `Failure`, and so does anything returned that is not an outcome of this trial or that a ledger cannot hold. numpy
    and torch numbers are converted to Python's.

    Raises:
        StorageError: if the evaluation could not write its files, which says nothing about the network.
    """
    start = time.monotonic()
    try:
        outcome = evaluate(trial, **arguments)
        if isinstance(accuracy := _number(outcome), int | float) and not isinstance(accuracy, bool):
            outcome = _success(trial, float(accuracy), time.monotonic() - start)
        return _checked(outcome, trial)
    except StorageError:
        raise
    except (Exception, SystemExit) as error:
        # SystemExit too: a library that calls sys.exit() must end one trial, not the worker or the search.
        return Failure(trial.id, failure_kind(error), describe_error(error), time.monotonic() - start)


def _success(trial: Trial, accuracy: float, seconds: float) -> Success:
    if not isinstance(trial.architecture, Architecture):
        return Success(trial.id, accuracy, train_seconds=seconds)
    from nas.models.complexity import measure

    cost = measure(trial.architecture, trial.fidelity.network)
    return Success(trial.id, accuracy, cost.num_parameters, cost.num_multiply_adds, train_seconds=seconds)


def _checked(outcome: Any, trial: Trial) -> Outcome:  # noqa: ANN401 - whatever an evaluator returns
    if not isinstance(outcome, Success | Failure) or outcome.trial_id != trial.id:
        came = safe_text(outcome, repr)[:200]
        raise ValueError(f"evaluate must return a number, or the Success or Failure of trial {trial.id}, got {came}")
    if isinstance(outcome, Failure) and isinstance(outcome.error, str):
        outcome = replace(outcome, error=outcome.error[:MAX_LENGTH])
    return outcome_from_json(_plain(outcome.to_json()))


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Converts numpy and torch numbers to Python's, and whole floats to int where counts are expected."""
    plain = {name: _number(item) for name, item in value.items()}
    for name in _WHOLE:
        if isinstance(plain.get(name), float) and plain[name].is_integer():
            plain[name] = int(plain[name])
    if isinstance(plain.get("metrics"), Mapping):
        plain["metrics"] = {name: _number(item) for name, item in plain["metrics"].items()}
    return plain


def _number(value: Any) -> Any:  # noqa: ANN401 - whatever an evaluator returns
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
