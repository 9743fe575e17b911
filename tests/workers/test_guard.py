import pytest

from nas.trial import Failure, Success
from workers.guard import describe, guard


def raising(error):
    def evaluate(trial):
        raise error

    return evaluate


def test_an_outcome_passes_unchanged_and_arguments_arrive(make_trial):
    outcome = guard(lambda trial, accuracy: Success(trial.id, accuracy), make_trial(3), {"accuracy": 0.25})
    assert outcome == Success(3, 0.25)


class OutOfMemoryError(RuntimeError):
    """Named as torch names the one of CUDA."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ZeroDivisionError("by zero"), "error"),
        (SystemExit(2), "error"),
        (MemoryError("full"), "out_of_memory"),
        (OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), "out_of_memory"),
    ],
)
def test_an_exception_becomes_a_failure_with_its_text(make_trial, error, kind):
    outcome = guard(raising(error), make_trial(3), {})
    assert isinstance(outcome, Failure)
    assert (outcome.trial_id, outcome.kind) == (3, kind)
    assert type(error).__name__ in outcome.error
    assert str(error) in outcome.error
    assert 0 <= outcome.train_seconds < 1


@pytest.mark.parametrize("nothing", [None, 0.9, Success(4, 0.9)])
def test_what_is_not_the_trials_outcome_becomes_a_failure(make_trial, nothing):
    outcome = guard(lambda trial: nothing, make_trial(3), {})
    assert outcome.kind == "error"
    assert "must return the Success or Failure of trial 3" in outcome.error


def test_an_interrupt_is_the_drivers_business(make_trial):
    with pytest.raises(KeyboardInterrupt):
        guard(raising(KeyboardInterrupt()), make_trial(3), {})


def test_long_texts_are_cut():
    assert len(describe(ValueError("x" * 10_000))) == 2000
