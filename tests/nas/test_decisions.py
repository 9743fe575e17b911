"""Choices, rollouts and the check of decisions."""

from __future__ import annotations

import json

import pytest

from nas.decisions import Choice, Rollout, check_decisions

CHOICES = (Choice("first", "op", 2), Choice("second", "source", 3))


def test_a_choice_has_an_option() -> None:
    assert Choice("only", "op", 1).num_options == 1
    with pytest.raises(ValueError, match="choice none must have at least 1 option, got 0"):
        Choice("none", "op", 0)


def test_a_rollout_comes_back_from_json() -> None:
    rollout = Rollout((3, 0, 12), -61.3)
    assert Rollout.from_json(json.loads(json.dumps(rollout.to_json()))) == rollout
    assert Rollout.from_json({"decisions": [], "log_prob": 0}) == Rollout((), 0.0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "a rollout must be an object with decisions and log_prob"),
        ({"decisions": [1]}, "a rollout must be an object with decisions and log_prob"),
        ({"decisions": [1], "log_prob": -1, "more": 1}, "a rollout must be an object"),
        ({"decisions": "12", "log_prob": -1}, "decisions must be a list of whole numbers from 0"),
        ({"decisions": [1.0], "log_prob": -1}, "decisions must be a list of whole numbers from 0"),
        ({"decisions": [True], "log_prob": -1}, "decisions must be a list of whole numbers from 0"),
        ({"decisions": [-1], "log_prob": -1}, "decisions must be a list of whole numbers from 0"),
        ({"decisions": [1], "log_prob": 0.1}, "a log-probability must be a finite number of at most 0"),
        ({"decisions": [1], "log_prob": False}, "a log-probability must be a finite number of at most 0"),
        ({"decisions": [1], "log_prob": "-1"}, "a log-probability must be a finite number of at most 0"),
        ({"decisions": [1], "log_prob": float("nan")}, "a log-probability must be a finite number of at most 0"),
        (
            {"decisions": [1], "log_prob": -1, "weight": -0.5},
            "a weight must be a finite number of at least 0, got -0.5",
        ),
        ({"decisions": [1], "log_prob": -1, "weight": True}, "a weight must be a finite number"),
        ({"decisions": [1], "log_prob": -1, "weight": float("inf")}, "a weight must be a finite number"),
        ({"decisions": [1], "log_prob": None}, "a log-probability must be a finite number of at most 0"),
    ],
)
def test_what_is_no_rollout_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rollout.from_json(value)


def test_decisions_are_checked_against_choices() -> None:
    check_decisions((1, 2), CHOICES)
    check_decisions((), ())


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ((1,), "there must be 2 decisions, one for each choice, got 1"),
        ((1, 2, 0), "there must be 2 decisions, one for each choice, got 3"),
        ((2, 0), r"choice first has options 0..1, got 2"),
        ((0, -1), r"choice second has options 0..2, got -1"),
    ],
)
def test_wrong_decisions_are_refused(decisions: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_decisions(decisions, CHOICES)
