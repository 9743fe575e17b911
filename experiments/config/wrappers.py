"""The table of wrappers of a controller."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from controllers.fresh import Fresh, FreshSettings
from controllers.surrogate import Surrogate, SurrogateSettings
from experiments.config import outside
from nas.plugins import Table
from nas.protocols import Controller, SearchSpace


@dataclasses.dataclass(frozen=True, slots=True)
class WrapperKind:
    """An entry of the table of wrappers.

    Attributes:
        build: Called with the controller, the space, the settings of the wrapper if it has any, and the seed.
        settings: The class of its settings; None if it has none.
    """

    build: Callable[..., Controller]
    settings: type[Any] | None = None


def _leave_bare(controller: Controller, _space: SearchSpace, *, seed: int) -> Controller:  # noqa: ARG001 - as others
    return controller


WRAPPERS = Table(
    "wrapper",
    {
        "none": WrapperKind(_leave_bare),
        "fresh": WrapperKind(Fresh, FreshSettings),
        "surrogate": WrapperKind(Surrogate, SurrogateSettings),
    },
    lambda value: WrapperKind(*outside.wrapper(value)),
)
"""What a controller can be wrapped in, by name."""


def wrap(
    controller: Controller,
    space: SearchSpace,
    name: str,
    settings: Any,  # noqa: ANN401 - any settings class
    *,
    seed: int,
    accepts: Callable[[tuple[int, ...]], bool] | None = None,
) -> Controller:
    """Wraps a controller; `settings` are those of the wrapper, None if it has none.

    `accepts` is for wrappers that keep the bounds of a search, see `controllers.surrogate.Surrogate`.
    """
    given = () if settings is None else (settings,)
    build = WRAPPERS[name].build
    bounds = {"accepts": accepts} if accepts is not None and outside.takes(build, "accepts") else {}
    return build(controller, space, *given, seed=seed, **bounds)
