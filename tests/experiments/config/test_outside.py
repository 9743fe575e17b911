from __future__ import annotations

from dataclasses import dataclass

import pytest

from experiments.config import outside
from nas.decisions import Choice

OFFERED = ("data", "weights_dir")


@dataclass(frozen=True)
class Settings:
    rate: float = 0.1


def test_an_evaluator_gets_the_arguments_that_it_names():
    def evaluate(trial, *, data, settings: Settings, extra=3): ...

    def any_arguments(*args, **kwargs): ...

    assert outside.evaluator(evaluate, OFFERED) == (("data",), Settings)
    assert outside.evaluator(lambda trial: 0.5, OFFERED) == ((), None)
    assert outside.evaluator(any_arguments, OFFERED) == ((), None)


def test_settings_must_be_a_dataclass():
    def evaluate(trial, settings: int): ...

    with pytest.raises(ValueError, match="settings must be annotated with a dataclass"):
        outside.evaluator(evaluate, OFFERED)


def test_a_controller_has_settings_by_its_annotation():
    class Controller:
        def __init__(self, choices, settings: Settings, *, seed): ...

    assert outside.controller(Controller) == (Controller, Settings)
    with pytest.raises(ValueError, match="a controller must be a class or function of choices and seed, got 3"):
        outside.controller(3)


def test_a_space_is_an_object_a_class_or_a_function():
    class Space:
        choices = (Choice("a", "a", 2),)

        def decode(self, decisions):
            return {"a": decisions[0]}

    space = Space()
    assert outside.space(space) is space
    assert type(outside.space(Space)) is Space
    assert outside.space(lambda: space) is space


def test_choices_need_different_names():
    class Space:
        choices = (Choice("a", "a", 2), Choice("a", "a", 2))

        def decode(self, decisions): ...

    with pytest.raises(ValueError, match="choices must be one or more with different names, got a, a"):
        outside.space(Space)


def test_a_space_that_needs_arguments():
    class Space:
        def __init__(self, size): ...

    with pytest.raises(ValueError, match="a search space must be made without arguments"):
        outside.space(Space)
