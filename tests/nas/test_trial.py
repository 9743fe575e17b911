"""Outcomes as values and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nas.trial import FAILURE_KINDS, Failure, Outcome, Success, outcome_from_json

SUCCESS = Success(
    3, 0.75, num_parameters=10, num_multiply_adds=20, train_seconds=1.5, cached=True, metrics={"test_accuracy": 0.5}
)


@pytest.mark.parametrize(
    "outcome", [SUCCESS, Success(0, 0.0), Success(1, 1.0), *(Failure(4, kind, "why", 2.0) for kind in FAILURE_KINDS)]
)
def test_outcomes_come_back_from_json(outcome: Outcome) -> None:
    assert outcome_from_json(json.loads(json.dumps(outcome.to_json(), allow_nan=False))) == outcome


@pytest.mark.parametrize(("stopped_after", "progress"), [(None, float("inf")), (0, 0.0), (3, 3.0)])
def test_a_trial_may_be_stopped_also_before_its_training(stopped_after: int | None, progress: float) -> None:
    outcome = Success(0, 0.0, metrics={"synflow": 12.5}, stopped_after=stopped_after)
    assert outcome_from_json(json.loads(json.dumps(outcome.to_json()))) == outcome
    assert outcome.progress == progress
    assert outcome.was_only_scored is (stopped_after == 0)


def test_outcomes_can_be_collected() -> None:
    assert len({SUCCESS, Success(3, 0.75), Success(3, 0.75)}) == 2


@pytest.mark.parametrize("accuracy", [-0.1, 1.1, float("nan"), float("inf")])
def test_accuracy_is_a_share(accuracy: float) -> None:
    with pytest.raises(ValueError, match="the accuracy of trial 3 must be between 0 and 1"):
        Success(3, accuracy)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_seconds_are_finite(seconds: float) -> None:
    with pytest.raises(ValueError, match="train_seconds of trial 3 must be 0 or more"):
        Success(3, 0.5, train_seconds=seconds)


def test_failures_have_known_kinds() -> None:
    with pytest.raises(ValueError, match=r"must be one of diverged, out_of_memory, .*, got 'bad_luck'"):
        Failure(3, "bad_luck", "")  # type: ignore[arg-type]


def success(**changes: Any) -> dict[str, Any]:
    return {**SUCCESS.to_json(), **changes}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "an outcome must be an object with status"),
        ({}, "an outcome must be an object with status"),
        ({"status": "maybe"}, "an outcome must be an object with status"),
        ({"status": ["success"]}, "an outcome must be an object with status"),
        ({"status": "success"}, "not valid: trial_id: Field required"),
        ({"status": "success", "trial_id": 3}, "not valid: accuracy: Field required"),
        (success(colour="red"), "not valid: colour: Unexpected"),
        (success(trial_id="3"), "trial_id: Input should be a valid integer"),
        (success(trial_id=3.5), "trial_id: Input should be a valid integer"),
        (success(trial_id=True), "trial_id: Input should be a valid integer"),
        (success(accuracy="high"), "accuracy: Input should be a valid number"),
        (success(accuracy=None), "accuracy: Input should be a valid number"),
        (success(accuracy=2), "must be between 0 and 1"),
        (success(num_parameters=1.5), "num_parameters: Input should be a valid integer"),
        (success(train_seconds=[1]), "train_seconds: Input should be a valid number"),
        (success(stopped_after=-1), "stopped_after: Input should be greater than or equal to 0"),
        (success(metrics=[]), "metrics: Input should be a valid dictionary"),
        (success(metrics={"loss": "low"}), "metrics: loss: Input should be a valid number"),
        (success(metrics={"loss": float("nan")}), "metrics: loss: Input should be a finite number"),
        (success(train_seconds=float("-inf")), "train_seconds: Input should be a finite number"),
        ({"status": "failure", "trial_id": 1, "kind": "sad", "error": ""}, "kind: Input should be 'diverged'"),
        ({"status": "failure", "trial_id": 1, "kind": [], "error": ""}, "kind: Input should be 'diverged'"),
        ({"status": "failure", "trial_id": 1, "kind": "error"}, "error: Field required"),
    ],
)
def test_what_is_no_outcome_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outcome_from_json(value)


def test_whole_numbers_are_taken_for_shares_and_seconds() -> None:
    outcome = outcome_from_json(success(accuracy=1, train_seconds=2))
    assert outcome == Success(3, 1.0, 10, 20, 2.0, cached=True, metrics={"test_accuracy": 0.5})
    assert isinstance(outcome.train_seconds, float)
