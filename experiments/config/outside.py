"""Makes spaces, controllers, wrappers and evaluators from outside fit the tables of a search, and checks them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from nas.plain import describe
from nas.protocols import Controller, SearchSpace

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def space(value: Any) -> SearchSpace:  # noqa: ANN401 - any object
    """Returns a space, made from its class or a function without arguments; ValueError if it does not work."""
    try:
        made = value() if isinstance(value, type) or inspect.isfunction(value) else value
    except TypeError as error:
        raise ValueError(f"a search space must be made without arguments: {error}") from None
    if not hasattr(made, "choices") or not hasattr(made, "decode"):
        raise ValueError(f"a search space must have choices and decode, got {type(made).__name__}")
    names = [choice.name for choice in made.choices]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"choices must be one or more with different names, got {', '.join(names) or 'none':.200}")
    describe(made.decode((0,) * len(names)))
    return made  # type: ignore[no-any-return]


def controller(value: Any) -> tuple[Callable[..., Controller], type[Any] | None]:  # noqa: ANN401 - any object
    """Returns a function that makes a controller, and the class of its settings, which its parameter names."""
    if hasattr(value, "ask") and hasattr(value, "tell") and not isinstance(value, type):
        return lambda _choices, *, seed: copy.deepcopy(value), None  # noqa: ARG005 - a new one for each session
    if not callable(value):
        raise ValueError(f"a controller must be a class or function of choices and seed, got {value!r:.100}")
    parameters = _parameters(value)
    if "seed" not in parameters:
        raise ValueError("a controller must take the keyword argument seed")
    return value, _settings_class(value, parameters)


def wrapper(value: Any) -> tuple[Callable[..., Controller], type[Any] | None]:  # noqa: ANN401 - any object
    """Returns a function that wraps a controller, and the class of its settings, which its parameter names."""
    if not callable(value):
        raise ValueError(f"a wrapper must be a class or function of controller, space and seed, got {value!r:.100}")
    parameters = _parameters(value)
    if "seed" not in parameters:
        raise ValueError("a wrapper must take the keyword argument seed")
    return value, _settings_class(value, parameters)


def evaluator(value: Any, offered: Sequence[str]) -> tuple[tuple[str, ...], type[Any] | None]:  # noqa: ANN401
    """Returns the arguments that an evaluator takes of those offered, and the class of its settings.

    Raises ValueError if it cannot be called as ``evaluate(trial, **arguments)``.
    """
    if not callable(value):
        raise ValueError(f"an evaluator must be a function of a trial, got {value!r:.100}")
    parameters = _parameters(value)
    rest = dict(parameters)
    first = next(iter(rest.values()), None)
    if first is None or first.kind not in (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL):
        raise ValueError("an evaluator must take a trial as its first argument, got a function without one")
    rest.pop(first.name)
    for name, parameter in rest.items():
        variadic = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if parameter.default is inspect.Parameter.empty and not variadic and name not in (*offered, "settings"):
            raise ValueError(f"an evaluator may require trial, {', '.join(offered)} and settings, got {name}")
    return tuple(name for name in offered if name in rest), _settings_class(value, rest)


def takes(value: Callable[..., Any], name: str) -> bool:
    """Whether a function or class takes an argument of that name."""
    return name in _parameters(value)


def _parameters(value: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(value).parameters
    except (TypeError, ValueError):
        raise ValueError(f"the arguments of {value!r:.100} cannot be told") from None


def _settings_class(value: Any, parameters: Mapping[str, inspect.Parameter]) -> type[Any] | None:  # noqa: ANN401
    """The annotation of the parameter ``settings``, which must be a dataclass; None without that parameter."""
    if "settings" not in parameters:
        return None
    try:
        hints = get_type_hints(value.__init__ if isinstance(value, type) else value)  # type: ignore[misc]
    except (NameError, TypeError) as error:
        raise ValueError(f"the type of its settings cannot be told: {error}") from None
    found = hints.get("settings")
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ValueError("the parameter settings must be annotated with a dataclass")
    return found
