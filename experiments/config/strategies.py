"""The table of controllers, and controllers in their wrappers by name and settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from controllers.ppo import PPO, PPOSettings
from controllers.ppo import PRESETS as PPO_PRESETS
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from controllers.reinforce import Reinforce, ReinforceSettings
from controllers.scalarized import Scalarized
from experiments.config import outside
from experiments.config.named import optional_settings, split_named
from experiments.config.outside import takes
from experiments.config.parsing.sections import dump_settings
from experiments.config.parsing.unknown_names import unknown_name
from experiments.config.wrappers import WRAPPERS, wrap
from nas.plugins import Table
from nas.protocols import Controller, FrontController, SearchSpace


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerKind:
    """An entry of the table of controllers.

    Attributes:
        build: The class, called with the choices, its settings if it has any, and the seed.
        settings: The class of its settings; None if it has none.
        presets: Settings by name, for ``preset: nasnet``; settings beside it replace those of the preset.
        wrapper: Name of the wrapper where a configuration names none and no preset.
    """

    build: Callable[..., Controller]
    settings: type[Any] | None = None
    presets: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    wrapper: str = "none"


CONTROLLERS = Table(
    "controller",
    {
        "random": ControllerKind(RandomSearch),
        "reinforce": ControllerKind(Reinforce, ReinforceSettings),
        "ppo": ControllerKind(PPO, PPOSettings, PPO_PRESETS, wrapper="surrogate"),
        "evolution": ControllerKind(RegularizedEvolution, EvolutionSettings),
    },
    lambda value: ControllerKind(*outside.controller(value)),
)
"""Controllers by name."""


def parse_controller(section: Mapping[str, Any]) -> tuple[str, Any]:
    """Name and settings of the controller that a section of a configuration describes; settings None if it has none."""
    name, settings = split_named("controller", section, CONTROLLERS)
    kind = CONTROLLERS[name]
    if kind.presets and (preset := settings.pop("preset", None)) is not None:
        if not isinstance(preset, str) or preset not in kind.presets:
            raise unknown_name(f"preset of controller {name}", preset, kind.presets)
        settings = {**dump_settings(kind.presets[preset]), **settings}
    return name, optional_settings("controller", name, settings, kind.settings)


def parse_wrapper(section: Mapping[str, Any], controller: Mapping[str, Any]) -> tuple[str, Any]:
    """Name and settings of the wrapper that a section describes, by default that of the controller's section.

    A preset is a published controller, and has no wrapper unless one is named.
    """
    default = "none" if controller.get("preset") is not None else CONTROLLERS[controller["name"]].wrapper
    name, settings = split_named(
        "wrapper", section if section.get("name") is not None else {**section, "name": default}, WRAPPERS
    )
    return name, optional_settings("wrapper", name, settings, WRAPPERS[name].settings)


def build_controller(
    space: SearchSpace,
    controller: tuple[str, Any],
    wrapper: tuple[str, Any],
    *,
    seed: int,
    num_objectives: int = 0,
    accepts: Callable[[tuple[int, ...]], bool] | None = None,
) -> Controller:
    """Builds a controller in its wrapper, each given by name and settings.

    Args:
        space: the search space.
        controller: name and settings of the controller.
        wrapper: name and settings of the wrapper.
        seed: seed of the run.
        num_objectives: of a search for a front; 0 for a search by a reward. A controller that cannot be told the values
            of objectives is told one number made of them (`controllers.scalarized.Scalarized`).
        accepts: see `controllers.surrogate.Surrogate`.
    """
    name, settings = controller
    given = () if settings is None else (settings,)
    build = CONTROLLERS[name].build
    front = {"num_objectives": num_objectives} if num_objectives and takes(build, "num_objectives") else {}
    built = build(space.choices, *given, seed=seed, **front)
    if num_objectives and not isinstance(built, FrontController):
        built = Scalarized(built)
    return wrap(built, space, *wrapper, seed=seed, accepts=accepts)
