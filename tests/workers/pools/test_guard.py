import json

import numpy as np
import pytest
import torch

from nas.trial import Failure, Success, outcome_from_json
from workers.pools.guard import guard


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


@pytest.mark.parametrize("nothing", [None, True, Success(4, 0.9)])
def test_what_is_not_the_trials_outcome_becomes_a_failure(make_trial, nothing):
    outcome = guard(lambda trial: nothing, make_trial(3), {})
    assert outcome.kind == "error"
    assert "must return a number, or the Success or Failure of trial 3" in outcome.error


class UnspeakableError(Exception):
    def __str__(self):
        raise ValueError("no")

    __repr__ = __str__


UNREADABLE = {
    "whole number": lambda trial: Success(trial.id, 0.5, num_parameters=0.5),
    "bool": lambda trial: Success(trial.id, True),
    "text": lambda trial: Success(trial.id, 0.5, metrics={"loss": "low"}),
    "list": lambda trial: Success(trial.id, 0.5, metrics=[1]),
    "huge": lambda trial: Success(trial.id, 0.5, num_parameters=10**400),
    "nan": lambda trial: Success(trial.id, 0.5, metrics={"loss": float("nan")}),
    "function": lambda trial: Success(trial.id, 0.5, metrics={"loss": len}),
    "number as name": lambda trial: Success(trial.id, 0.5, metrics={1: 1.0}),
    "seconds": lambda trial: Failure(trial.id, "error", "no", float("nan")),
    "no text": lambda trial: Failure(trial.id, "error", None),
    "no string": raising(UnspeakableError()),
    "no representation": lambda trial: UnspeakableError(),
}


@pytest.mark.parametrize("evaluate", UNREADABLE.values(), ids=UNREADABLE)
def test_what_no_ledger_could_hold_becomes_a_failure_that_it_can(make_trial, evaluate):
    outcome = guard(evaluate, make_trial(3), {})
    assert isinstance(outcome, Failure)
    assert outcome.kind == "error"
    assert outcome_from_json(json.loads(json.dumps(outcome.to_json(), allow_nan=False))) == outcome


def test_numbers_of_other_libraries_are_taken(make_trial):
    outcome = guard(
        lambda trial: Success(
            trial.id, np.float32(0.5), np.int64(3), 1e6, torch.tensor(2.0), metrics={"loss": torch.tensor(0.25)}
        ),
        make_trial(3),
        {},
    )
    assert outcome == Success(3, 0.5, 3, 1_000_000, 2.0, metrics={"loss": 0.25})
    assert json.dumps(outcome.to_json())
    assert type(outcome.num_multiply_adds) is int


def test_the_text_of_a_failure_is_cut(make_trial):
    assert len(guard(lambda trial: Failure(trial.id, "error", "x" * 10**6), make_trial(3), {}).error) == 2000


def test_an_interrupt_is_the_drivers_business(make_trial):
    with pytest.raises(KeyboardInterrupt):
        guard(raising(KeyboardInterrupt()), make_trial(3), {})
