"""What every pool does around one evaluation: whatever goes wrong in it comes back as a value."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nas.trial import Failure, FailureKind, Outcome, Success, Trial

_MAX_ERROR_LENGTH = 2000


def guard(evaluate: Callable[..., Outcome], trial: Trial, arguments: Mapping[str, Any]) -> Outcome:
    """Evaluates a trial; an exception, or anything that is not this trial's outcome, becomes a `Failure`.

    Args:
        evaluate: called as ``evaluate(trial, **arguments)``.
        trial: what is measured.
        arguments: further keyword arguments, the same for every trial.
    """
    start = time.monotonic()
    try:
        outcome = evaluate(trial, **arguments)
    except (Exception, SystemExit) as error:
        # SystemExit too: a library that calls sys.exit() must end one trial, not the worker or the search.
        return Failure(trial.id, _kind(error), describe(error), time.monotonic() - start)
    if isinstance(outcome, Success | Failure) and outcome.trial_id == trial.id:
        return outcome
    text = f"evaluate must return the Success or Failure of trial {trial.id}, got {outcome!r:.200}"
    return Failure(trial.id, "error", text, time.monotonic() - start)


def describe(error: BaseException) -> str:
    """Type and text of an exception, cut to what a ledger should hold."""
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR_LENGTH]


def _kind(error: BaseException) -> FailureKind:
    """The kind of failure; torch's errors are told by name and text, so that this module loads without torch."""
    is_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return "out_of_memory" if is_memory or "can't allocate memory" in str(error) else "error"
