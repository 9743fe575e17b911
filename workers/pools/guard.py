"""What every pool does around one evaluation: whatever goes wrong in it comes back as a value."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nas.trial import Failure, FailureKind, Outcome, Success, Trial, outcome_from_json

_MAX_ERROR_LENGTH = 2000
_WHOLE = ("trial_id", "num_parameters", "num_multiply_adds")


def guard(evaluate: Callable[..., Outcome], trial: Trial, arguments: Mapping[str, Any]) -> Outcome:
    """Evaluates a trial; an exception, or anything that is not this trial's outcome, becomes a `Failure`.

    So does an outcome that a ledger could not hold, or not read again. Numbers of numpy and torch become Python's.

    Args:
        evaluate: called as ``evaluate(trial, **arguments)``.
        trial: what is measured.
        arguments: further keyword arguments, the same for every trial.
    """
    start = time.monotonic()
    try:
        return _checked(evaluate(trial, **arguments), trial)
    except (Exception, SystemExit) as error:
        # SystemExit too: a library that calls sys.exit() must end one trial, not the worker or the search.
        return Failure(trial.id, _kind(error), describe(error), time.monotonic() - start)


def describe(error: BaseException) -> str:
    """Type and text of an exception, cut to what a ledger should hold."""
    return f"{type(error).__name__}: {_shown(error, str)}"[:_MAX_ERROR_LENGTH]


def _checked(outcome: Any, trial: Trial) -> Outcome:  # noqa: ANN401 - whatever an evaluator returns
    if not isinstance(outcome, Success | Failure) or outcome.trial_id != trial.id:
        came = _shown(outcome, repr)[:200]
        raise ValueError(f"evaluate must return the Success or Failure of trial {trial.id}, got {came}")
    if isinstance(outcome, Failure) and isinstance(outcome.error, str):
        outcome = replace(outcome, error=outcome.error[:_MAX_ERROR_LENGTH])
    return outcome_from_json(_plain(outcome.to_json()))


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """With Python's own numbers in place of numpy's and torch's, and whole ones where counts are meant."""
    plain = {name: _number(item) for name, item in value.items()}
    for name in _WHOLE:
        if isinstance(plain.get(name), float) and plain[name].is_integer():
            plain[name] = int(plain[name])
    if isinstance(plain.get("metrics"), Mapping):
        plain["metrics"] = {name: _number(item) for name, item in plain["metrics"].items()}
    return plain


def _number(value: Any) -> Any:  # noqa: ANN401 - whatever an evaluator returns
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _shown(value: Any, convert: Callable[[Any], str]) -> str:  # noqa: ANN401 - likewise
    """Its text, even if it is one that cannot be shown."""
    try:
        return convert(value)
    except Exception as error:  # whatever somebody's __str__ or __repr__ does wrong
        return f"(a {type(value).__name__} that cannot be shown: {type(error).__name__})"


def _kind(error: BaseException) -> FailureKind:
    """The kind of failure; torch's errors are told by name and text, so that this module loads without torch."""
    is_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return "out_of_memory" if is_memory or "can't allocate memory" in _shown(error, str) else "error"
