"""The settings of a search: a YAML file of sections, each validated, unknown keys refused with the nearest known one.

Sections: ``space``, ``controller`` and ``reward`` name an entry of the tables below and hold its settings; ``search``,
``shifts``, ``network``, ``recipe``, ``data``, ``workers`` and ``trackers`` hold settings only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from controllers.ppo import PPO, PPOSettings
from controllers.ppo import PRESETS as PPO_PRESETS
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from controllers.reinforce import Reinforce, ReinforceSettings
from experiments.config.config_file import split_sections
from experiments.config.search_settings import SearchSettings, TrackerSettings, WorkerSettings
from experiments.config.sections import dump_settings, validate_section
from experiments.config.shift_settings import ShiftSettings
from experiments.config.unknown_names import unknown_name
from nas.data.load import DATA_SETS
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS
from nas.protocols import Controller
from nas.rewards import REWARDS, Reward
from search_spaces.cell_space import CellSpace
from search_spaces.nasnet import NASNET
from search_spaces.tiny import TINY

SPACES: Mapping[str, CellSpace] = MappingProxyType({"nasnet": NASNET, "tiny": TINY})
"""Spaces by name; a setting of the section replaces the attribute of that name."""


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerKind:
    """A line of the table of controllers.

    Attributes:
        build: the class, called with the choices, the settings if it has any, and the seed.
        settings: the class of its settings; None if it has none.
        presets: settings by name, for ``preset: nasnet``; single settings beside it replace those of the preset.
    """

    build: Callable[..., Controller]
    settings: type[Any] | None = None
    presets: Mapping[str, Any] = dataclasses.field(default_factory=dict)


CONTROLLERS: Mapping[str, ControllerKind] = MappingProxyType(
    {
        "random": ControllerKind(RandomSearch),
        "reinforce": ControllerKind(Reinforce, ReinforceSettings),
        "ppo": ControllerKind(PPO, PPOSettings, PPO_PRESETS),
        "evolution": ControllerKind(RegularizedEvolution, EvolutionSettings),
    }
)
"""Controllers by name."""


@dataclasses.dataclass(frozen=True, slots=True)
class SearchConfig:
    """A complete, valid configuration of a search.

    Attributes:
        space_name: a key of `SPACES`.
        space: what can be proposed.
        controller_name: a key of `CONTROLLERS`.
        controller: the controller's settings; None if it has none.
        reward_name: a key of `nas.rewards.REWARDS`.
        reward: what the controller is told of a success.
        shifts: of appearance, that trials or the test measure.
        search: length, seed and failures.
        fidelity: network, recipe and data.
        workers: who measures.
        trackers: where its course is shown beside the ledger.
    """

    space_name: str
    space: CellSpace
    controller_name: str
    controller: Any
    reward_name: str
    reward: Reward
    shifts: ShiftSettings
    search: SearchSettings
    fidelity: Fidelity
    workers: WorkerSettings
    trackers: TrackerSettings

    def build_controller(self) -> Controller:
        """Returns a fresh controller for this space and seed."""
        settings = () if self.controller is None else (self.controller,)
        return CONTROLLERS[self.controller_name].build(self.space.choices, *settings, seed=self.search.seed)

    def to_document(self) -> dict[str, dict[str, Any]]:
        """Returns plain data from which `parse_config` makes an equal configuration, with every setting written out."""
        return {
            "space": {"name": self.space_name, **dump_settings(self.space)},
            "controller": {
                "name": self.controller_name,
                **({} if self.controller is None else dump_settings(self.controller)),
            },
            "reward": {"name": self.reward_name, **dump_settings(self.reward)},
            "shifts": dump_settings(self.shifts),
            "search": dump_settings(self.search),
            "network": dump_settings(self.fidelity.network),
            "recipe": dump_settings(self.fidelity.recipe),
            "data": dump_settings(self.fidelity.data),
            "workers": dump_settings(self.workers),
            "trackers": dump_settings(self.trackers),
        }


def parse_config(document: Mapping[str, Any]) -> SearchConfig:
    """Validates the plain data of a YAML file.

    Raises:
        ValueError: if it is not a configuration; one line that names the place.
    """
    sections = split_sections(document)
    space_name, space = _space(sections["space"])
    controller_name, controller = _controller(sections["controller"])
    reward_name, reward = _reward(sections["reward"])
    data = validate_section("data", sections["data"], DataSpec)
    if data.name not in DATA_SETS:
        raise unknown_name("data set in data.name", data.name, DATA_SETS)
    network = validate_section("network", sections["network"], NetworkSpec)
    recipe = validate_section("recipe", sections["recipe"], TrainRecipe)
    if recipe.beyond_search:
        raise ValueError(f"recipe.{recipe.beyond_search[0]} is for `nas train`; children of a search cannot use it")
    shifts = validate_section("shifts", sections["shifts"], ShiftSettings)
    deepest = max((stages for stages in space.appearance_stages if stages is not None), default=0)
    if deepest > network.num_stages:
        raise ValueError(
            f"space.appearance_stages must be at most network.num_stages, {network.num_stages}, got {deepest}"
        )
    shifts.check_fits(reward_name=reward_name, num_channels=network.in_channels)
    return SearchConfig(
        space_name,
        space,
        controller_name,
        controller,
        reward_name,
        reward,
        shifts,
        search=validate_section("search", sections["search"], SearchSettings),
        fidelity=Fidelity(network, recipe, data),
        workers=validate_section("workers", sections["workers"], WorkerSettings),
        trackers=validate_section("trackers", sections["trackers"], TrackerSettings),
    )


def _space(section: Mapping[str, Any]) -> tuple[str, CellSpace]:
    name, settings = _split("space", section, SPACES)
    space = validate_section("space", {**dump_settings(SPACES[name]), **settings}, CellSpace)
    for what, names, known in (("op", space.ops, OPERATIONS), ("norm", space.norms, NORMALIZATIONS)):
        for each in names:
            if each not in known:
                raise unknown_name(f"{what} in space.{what}s", each, known)
    return name, space


def _controller(section: Mapping[str, Any]) -> tuple[str, Any]:
    name, settings = _split("controller", section, CONTROLLERS)
    kind = CONTROLLERS[name]
    if kind.settings is None:
        if settings:
            raise ValueError(f"controller {name} has no settings, got {', '.join(map(str, settings)):.200}")
        return name, None
    if kind.presets and (preset := settings.pop("preset", None)) is not None:
        if not isinstance(preset, str) or preset not in kind.presets:
            raise unknown_name(f"preset of controller {name}", preset, kind.presets)
        settings = {**dump_settings(kind.presets[preset]), **settings}
    return name, validate_section("controller", settings, kind.settings)


def _reward(section: Mapping[str, Any]) -> tuple[str, Reward]:
    name, settings = _split("reward", section, REWARDS)
    return name, validate_section("reward", settings, REWARDS[name])


def _split(what: str, section: Mapping[str, Any], table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name in a section, which must be in the table, and the settings beside it."""
    name = section["name"]
    if not isinstance(name, str) or name not in table:
        raise unknown_name(what, name, table)
    return name, {key: value for key, value in section.items() if key != "name"}
