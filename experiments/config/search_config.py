"""The configuration of a search: spaces, controllers, rewards and evaluators by name, and settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self, get_type_hints

from controllers.ppo import PPO, PPOSettings
from controllers.ppo import PRESETS as PPO_PRESETS
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from controllers.reinforce import Reinforce, ReinforceSettings
from experiments.config.config import Config
from experiments.config.kinds import SEARCH, ConfigKind, Document
from experiments.config.named import parse_reward, split_named
from experiments.config.search_settings import SearchSettings, ShiftSettings, TrackerSettings
from experiments.config.sections import dump_settings, validate_section
from experiments.config.unknown_names import unknown_name
from experiments.config.workers import SearchWorkers
from nas.architecture import Architecture
from nas.data.load import DATA_SETS
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.models.edge_network import EDGE_OPERATIONS, check_edge_spec
from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS
from nas.protocols import Controller, SearchSpace
from nas.rewards import Metric, Reward
from nas.rungs import Rungs
from nas.trial import Description, Outcome
from search_spaces.cell_space import CellSpace
from search_spaces.nasbench201 import NASBENCH201, EdgeSpace
from search_spaces.nasnet import NASNET
from search_spaces.tiny import TINY
from workers.evaluators.shared_weights import SharedWeightsSettings, shared_weights
from workers.evaluators.train_and_validate import train_and_validate
from workers.evaluators.zero_cost import ZeroCostSettings, zero_cost


@dataclasses.dataclass(frozen=True, slots=True)
class SpaceKind:
    """An entry of the table of search spaces.

    Attributes:
        space: A pydantic dataclass that is a `SearchSpace`; settings of the section replace its attributes.
        parse: Rebuilds a description that the space decodes to, from its JSON.
    """

    space: SearchSpace
    parse: Callable[[Any], Description] = Architecture.from_json


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerKind:
    """An entry of the table of controllers.

    Attributes:
        build: The class, called with the choices, its settings if it has any, and the seed.
        settings: The class of its settings; None if it has none.
        presets: Settings by name, for ``preset: nasnet``; settings beside it replace those of the preset.
    """

    build: Callable[..., Controller]
    settings: type[Any] | None = None
    presets: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluatorKind:
    """An entry of the table of evaluators.

    Attributes:
        evaluate: Called as ``evaluate(trial, **arguments)`` on a worker.
        takes: The arguments that it takes of those that a search offers, see `experiments.search.run`.
        settings: The class of its settings, passed as ``settings`` unless it takes a ``store``; None if it has none.
    """

    evaluate: Callable[..., Outcome]
    takes: tuple[str, ...] = ("data",)
    settings: type[Any] | None = None


SPACES: Mapping[str, SpaceKind] = MappingProxyType(
    {
        "nasnet": SpaceKind(NASNET),
        "tiny": SpaceKind(TINY),
        "nasbench201": SpaceKind(NASBENCH201, EdgeCell.from_json),
    }
)
"""Search spaces by name."""

CONTROLLERS: Mapping[str, ControllerKind] = MappingProxyType(
    {
        "random": ControllerKind(RandomSearch),
        "reinforce": ControllerKind(Reinforce, ReinforceSettings),
        "ppo": ControllerKind(PPO, PPOSettings, PPO_PRESETS),
        "evolution": ControllerKind(RegularizedEvolution, EvolutionSettings),
    }
)
"""Controllers by name."""

_ARGUMENTS = ("data", "weights_dir", "states_dir", "max_parameters", "max_multiply_adds", "shifts")
EVALUATORS: Mapping[str, EvaluatorKind] = MappingProxyType(
    {
        "train_and_validate": EvaluatorKind(train_and_validate, _ARGUMENTS),
        "zero_cost": EvaluatorKind(zero_cost, ("data", "max_parameters", "max_multiply_adds"), ZeroCostSettings),
        "shared_weights": EvaluatorKind(
            shared_weights, ("data", "store", "max_parameters", "max_multiply_adds"), SharedWeightsSettings
        ),
    }
)
"""Evaluators by name."""


@dataclasses.dataclass(frozen=True, slots=True)
class SearchConfig(Config):
    """A valid configuration of a search.

    Each name is a key of `SPACES`, `CONTROLLERS`, `nas.rewards.REWARDS` or `EVALUATORS`; `controller` and `evaluator`
    are the settings of theirs, None if they have none.
    """

    kind: ClassVar[ConfigKind] = SEARCH

    space_name: str
    space: SearchSpace
    controller_name: str
    controller: Any
    reward_name: str
    reward: Reward
    evaluator_name: str
    evaluator: Any
    shifts: ShiftSettings
    search: SearchSettings
    network: NetworkSpec
    recipe: TrainRecipe
    data: DataSpec
    workers: SearchWorkers
    trackers: TrackerSettings

    def __post_init__(self) -> None:
        if self.data.name not in DATA_SETS:
            raise unknown_name("data set in data.name", self.data.name, DATA_SETS)
        if self.recipe.beyond_search:
            raise ValueError(
                f"recipe.{self.recipe.beyond_search[0]} is for `nas train`; children of a search cannot use it"
            )
        if isinstance(self.space, CellSpace):
            _check_cells(self.space, self.network)
        elif isinstance(self.space, EdgeSpace):
            _check_names("op", self.space.ops, EDGE_OPERATIONS)
            check_edge_spec(self.network)
        if (rungs := self.search.rungs) is not None:
            _check_rungs(rungs, self.recipe, self.evaluator_name)
        if isinstance(self.evaluator, ZeroCostSettings):
            _check_scored(self.evaluator, self.reward, self.search)
        if isinstance(self.evaluator, SharedWeightsSettings):
            _check_shared(self)
        self.shifts.check_fits(reward_name=self.reward_name, num_channels=self.network.in_channels)

    @property
    def fidelity(self) -> Fidelity:
        """Network, recipe and data, and whether weights are shared."""
        shared = self.evaluator.steps if isinstance(self.evaluator, SharedWeightsSettings) else None
        return Fidelity(self.network, self.recipe, self.data, shared)

    def build_controller(self) -> Controller:
        """Returns a new controller for this space and seed."""
        settings = () if self.controller is None else (self.controller,)
        return CONTROLLERS[self.controller_name].build(self.space.choices, *settings, seed=self.search.seed)

    @classmethod
    def _parse(cls, sections: Document) -> Self:
        types = get_type_hints(cls)
        plain = [name for name in cls.kind.sections if name not in cls.kind.named]
        return cls(
            *_space(sections["space"]),
            *parse_controller(sections["controller"]),
            *parse_reward(sections),
            *_evaluator(sections["evaluator"]),
            **{name: validate_section(name, sections[name], types[name]) for name in plain},
        )

    def to_document(self) -> Document:
        """Returns plain data from which `parse` makes an equal configuration, with every setting written out."""
        document: Document = {}
        for name in self.kind.sections:
            named = {"name": getattr(self, f"{name}_name")} if name in self.kind.named else {}
            settings = getattr(self, name)
            document[name] = named | ({} if settings is None else dump_settings(settings))
        return document


def parse_controller(section: Mapping[str, Any]) -> tuple[str, Any]:
    """Name and settings of the controller that a section of a configuration describes; settings None if it has none."""
    name, settings = split_named("controller", section, CONTROLLERS)
    kind = CONTROLLERS[name]
    if kind.presets and (preset := settings.pop("preset", None)) is not None:
        if not isinstance(preset, str) or preset not in kind.presets:
            raise unknown_name(f"preset of controller {name}", preset, kind.presets)
        settings = {**dump_settings(kind.presets[preset]), **settings}
    return name, _optional("controller", name, settings, kind.settings)


def _space(section: Mapping[str, Any]) -> tuple[str, SearchSpace]:
    name, settings = split_named("space", section, SPACES)
    default = SPACES[name].space
    return name, validate_section("space", {**dump_settings(default), **settings}, type(default))


def _evaluator(section: Mapping[str, Any]) -> tuple[str, Any]:
    name, settings = split_named("evaluator", section, EVALUATORS)
    return name, _optional("evaluator", name, settings, EVALUATORS[name].settings)


def _optional(what: str, name: str, settings: Mapping[str, Any], kind: type[Any] | None) -> Any:  # noqa: ANN401
    """The settings of an entry that may have none."""
    if kind is not None:
        return validate_section(what, settings, kind)
    if settings:
        raise ValueError(f"{what} {name} has no settings, got {', '.join(map(str, settings)):.200}")
    return None


def _check_cells(space: CellSpace, network: NetworkSpec) -> None:
    _check_names("op", space.ops, OPERATIONS)
    _check_names("norm", space.norms, NORMALIZATIONS)
    deepest = max((stages for stages in space.appearance_stages if stages is not None), default=0)
    if deepest > network.num_stages:
        raise ValueError(
            f"space.appearance_stages must be at most network.num_stages, {network.num_stages}, got {deepest}"
        )


def _check_rungs(rungs: Rungs, recipe: TrainRecipe, evaluator: str) -> None:
    try:
        rungs.resolve(recipe.epochs)
    except ValueError as error:
        raise ValueError(f"search.rungs: {error}") from None
    if "states_dir" not in EVALUATORS[evaluator].takes:
        able = ", ".join(name for name, kind in EVALUATORS.items() if "states_dir" in kind.takes)
        raise ValueError(f"search.rungs needs an evaluator that can pause, {able}, got {evaluator}")


def _check_scored(settings: ZeroCostSettings, reward: Reward, search: SearchSettings) -> None:
    """Raises ValueError unless the reward is a score of the evaluator, which trains nothing."""
    if not isinstance(reward, Metric) or reward.metric not in settings.scores:
        came = f"metric {reward.metric}" if isinstance(reward, Metric) else type(reward).__name__
        allowed = ", ".join(settings.scores)
        raise ValueError(f"evaluator zero_cost needs a reward {{name: metric, metric: one of {allowed}}}, got {came}")
    if search.failure_reward is not None:
        raise ValueError(
            "search.failure_reward must be null with evaluator zero_cost, since scores have no lowest value, "
            f"got {search.failure_reward:g}"
        )


def _check_shared(config: SearchConfig) -> None:
    """Raises ValueError if a setting cannot be combined with shared weights."""
    if config.recipe.compile:
        raise ValueError("recipe.compile must be false with evaluator shared_weights: it would compile every trial")
    if config.shifts.reward:
        came = ", ".join(config.shifts.reward)
        raise ValueError(f"shifts.reward must be empty with evaluator shared_weights, which measures none, got {came}")
    if config.search.deterministic and config.workers.pool != "serial":
        raise ValueError(
            "search.deterministic needs workers.pool serial with evaluator shared_weights: what a trial borrows "
            f"depends on those that run beside it, got {config.workers.pool}"
        )


def _check_names(what: str, names: Iterable[str], known: Collection[str]) -> None:
    for each in names:
        if each not in known:
            raise unknown_name(f"{what} in space.{what}s", each, known)
