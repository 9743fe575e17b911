"""The configuration of a search: spaces, controllers, rewards and evaluators by name, and settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, get_type_hints

from experiments.config import outside
from experiments.config.config import Config
from experiments.config.kinds import SEARCH, ConfigKind, Document
from experiments.config.named import optional_settings, parse_reward, split_named
from experiments.config.objective_settings import ObjectiveSettings
from experiments.config.parsing.sections import dump_settings, validate_section
from experiments.config.parsing.unknown_names import unknown_name
from experiments.config.search_checks import (
    check_cells,
    check_edges,
    check_names,
    check_scored,
    check_shared,
    check_within_search,
)
from experiments.config.search_settings import SearchSettings, ShiftSettings, TrackerSettings
from experiments.config.strategies import CONTROLLERS, build_controller, parse_controller, parse_wrapper
from experiments.config.workers import SearchWorkers
from experiments.config.wrappers import WRAPPERS
from nas.architecture import Architecture
from nas.data.load import DATA_SETS
from nas.descriptions import Description
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.plain import description_from_json
from nas.plugins import Table
from nas.protocols import Controller, SearchSpace
from nas.rewards import REWARDS, Reward
from nas.rungs import Rungs
from nas.scores.table import check_scores
from nas.trial import Outcome
from search_spaces.cell_space import CellSpace
from search_spaces.nasbench201 import NASBENCH201, EdgeSpace
from search_spaces.nasnet import NASNET
from search_spaces.tiny import TINY
from workers.evaluators.cost import estimate_seconds
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
class EvaluatorKind:
    """An entry of the table of evaluators.

    Attributes:
        evaluate: Called as ``evaluate(trial, **arguments)`` on a worker.
        takes: The arguments that it takes of those that a search offers, see `experiments.search.run`.
        settings: The class of its settings, passed as ``settings`` unless it takes a ``store``; None if it has none.
        estimate: Returns the seconds that a trial will take, see `workers.evaluators.cost`; None if it cannot be told.
    """

    evaluate: Callable[..., Outcome]
    takes: tuple[str, ...] = ("data",)
    settings: type[Any] | None = None
    estimate: Callable[..., float] | None = None


SPACES = Table(
    "space",
    {
        "nasnet": SpaceKind(NASNET),
        "tiny": SpaceKind(TINY),
        "nasbench201": SpaceKind(NASBENCH201, EdgeCell.from_json),
    },
    lambda value: SpaceKind(outside.space(value), description_from_json),
)
"""Search spaces by name."""

_LIMITS = ("max_parameters", "max_multiply_adds", "costs")
_ARGUMENTS = ("data", "weights_dir", "states_dir", *_LIMITS, "shifts", "scoring", "progress_dir")
EVALUATORS = Table(
    "evaluator",
    {
        "train_and_validate": EvaluatorKind(train_and_validate, _ARGUMENTS, estimate=estimate_seconds),
        "zero_cost": EvaluatorKind(zero_cost, ("data", *_LIMITS), ZeroCostSettings),
        "shared_weights": EvaluatorKind(shared_weights, ("data", "store", *_LIMITS), SharedWeightsSettings),
    },
    lambda value: EvaluatorKind(value, *outside.evaluator(value, _ARGUMENTS)),
)
"""Evaluators by name."""

TABLES: Mapping[str, Mapping[str, Any]] = {
    "space": SPACES,
    "controller": CONTROLLERS,
    "wrapper": WRAPPERS,
    "reward": REWARDS,
    "evaluator": EVALUATORS,
}
"""The table whose entry each section names."""


def settings_class(section: str, name: str) -> type[Any] | None:
    """The class of the settings of the entry that a section names; None if it has none."""
    entry = TABLES[section][name]
    if section == "space":
        return type(entry.space) if dataclasses.is_dataclass(entry.space) else None
    found: type[Any] | None = entry if section == "reward" else entry.settings
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class SearchConfig(Config):
    """A valid configuration of a search.

    Each name is a key of `SPACES`, `CONTROLLERS`, `WRAPPERS`, `nas.rewards.REWARDS` or `EVALUATORS`; `controller`,
    `wrapper` and `evaluator` are the settings of theirs, None if they have none.
    """

    kind: ClassVar[ConfigKind] = SEARCH

    space_name: str
    space: SearchSpace
    controller_name: str
    controller: Any
    wrapper_name: str
    wrapper: Any
    reward_name: str
    reward: Reward
    evaluator_name: str
    evaluator: Any
    objectives: ObjectiveSettings
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
        check_within_search(self.recipe, self.data)
        if isinstance(self.space, CellSpace):
            check_cells(self.space, self.network)
        elif isinstance(self.space, EdgeSpace):
            check_edges(self.space, self.network)
        if (rungs := self.search.rungs) is not None:
            _check_rungs(rungs, self.recipe, self.evaluator_name)
        if isinstance(self.evaluator, ZeroCostSettings):
            check_scored(self.evaluator, self.reward, self.search, self.objectives.names)
        if isinstance(self.evaluator, SharedWeightsSettings):
            check_shared(self.recipe, self.shifts, self.search, self.workers.pool)
        self._check_objectives()
        self.shifts.check_fits(reward_name=self.reward_name, num_channels=self.network.in_channels)

    @property
    def fidelity(self) -> Fidelity:
        """Network, recipe and data, and whether weights are shared."""
        shared = self.evaluator.steps if isinstance(self.evaluator, SharedWeightsSettings) else None
        return Fidelity(self.network, self.recipe, self.data, shared)

    @property
    def evaluator_kind(self) -> EvaluatorKind:
        """The evaluator and what it takes."""
        return EVALUATORS[self.evaluator_name]

    def build_controller(self) -> Controller:
        """Returns a new controller, in its wrapper, for this space and seed."""
        strategy = (self.controller_name, self.controller), (self.wrapper_name, self.wrapper)
        return build_controller(
            self.space,
            *strategy,
            seed=self.search.seed,
            num_objectives=len(self.objectives.names),
            accepts=self.objectives.accepts(self.space, self.network),
        )

    def _check_objectives(self) -> None:
        objectives = self.objectives
        if objectives.names and self.search.rungs is not None:
            raise ValueError("search.rungs must be null with objectives.names: they do not compare across epochs")
        if "shifted_accuracy" in objectives.names and not self.shifts.reward:
            raise ValueError("objective shifted_accuracy needs at least one shift in shifts.reward")
        if objectives.costs() is not None and "costs" not in self.evaluator_kind.takes:
            raise ValueError(f"objectives on costs need an evaluator that measures them, got {self.evaluator_name}")

    @classmethod
    def section_classes(cls, section: str) -> list[type[Any]]:
        """The class of the settings of a section; those of all entries where it names one of a table."""
        if section not in TABLES:
            return [get_type_hints(cls)[section]]
        return [found for name in TABLES[section] if (found := settings_class(section, name)) is not None]

    @classmethod
    def _parse(cls, sections: Document) -> Self:
        types = get_type_hints(cls)
        plain = [name for name in cls.kind.sections if name not in cls.kind.named]
        return cls(
            *_space(sections["space"]),
            *parse_controller(sections["controller"]),
            *parse_wrapper(sections["wrapper"], sections["controller"]),
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
            if name == "objectives" and settings == ObjectiveSettings():
                continue  # as in documents of runs from before there were any
            document[name] = named | (dump_settings(settings) if dataclasses.is_dataclass(settings) else {})
        return document


def _space(section: Mapping[str, Any]) -> tuple[str, SearchSpace]:
    name, settings = split_named("space", section, SPACES)
    default: Any = SPACES[name].space
    if not dataclasses.is_dataclass(type(default)):
        optional_settings("space", name, settings, None)
        return name, default
    if isinstance(default, CellSpace):
        check_names(settings)
    return name, validate_section("space", {**dump_settings(default), **settings}, type(default))


def _evaluator(section: Mapping[str, Any]) -> tuple[str, Any]:
    name, settings = split_named("evaluator", section, EVALUATORS)
    return name, optional_settings("evaluator", name, settings, EVALUATORS[name].settings)


def _check_rungs(rungs: Rungs, recipe: TrainRecipe, evaluator: str) -> None:
    try:
        rungs.resolve(recipe.epochs)
        if rungs.scores is not None:
            check_scores(rungs.scores)
    except ValueError as error:
        raise ValueError(f"search.rungs: {error}") from None
    needed = {"states_dir": ("search.rungs", "can pause")}
    if rungs.scores is not None:
        needed["scoring"] = "search.rungs.scores", "can score"
    for argument, (setting, what) in needed.items():
        if argument not in EVALUATORS[evaluator].takes:
            able = ", ".join(name for name, kind in EVALUATORS.items() if argument in kind.takes)
            raise ValueError(f"{setting} needs an evaluator that {what}, {able}, got {evaluator}")
