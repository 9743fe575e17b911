"""Checks of the configuration of a search that concern several sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.config.parsing.unknown_names import unknown_name
from experiments.config.search_settings import SearchSettings, ShiftSettings
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.models.edge_network import EDGE_OPERATIONS, check_edge_spec
from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS
from nas.names import NORMALIZATION_NAMES, OPERATION_NAMES
from nas.plugins import is_reference
from nas.rewards import Metric, Reward
from search_spaces.cell_space import CellSpace
from search_spaces.nasbench201 import EdgeSpace
from workers.evaluators.zero_cost import ZeroCostSettings


def check_names(settings: Mapping[str, Any]) -> None:
    """Raises ValueError for unknown names in the settings of a space, and says what may be meant."""
    for what, known in (("op", OPERATION_NAMES), ("norm", NORMALIZATION_NAMES)):
        names = settings.get(f"{what}s")
        for each in names if isinstance(names, list | tuple) else ():
            if isinstance(each, str) and each not in known and not is_reference(each):
                raise unknown_name(f"{what} in space.{what}s", each, known)


def _check_norm(network: NetworkSpec) -> None:
    """Raises ValueError for a norm that the networks of a search, which start from initial weights, cannot have."""
    if network.norm == "frozen_bn":
        raise ValueError("network.norm must not be frozen_bn in a search: its networks have no statistics to freeze")


def check_edges(space: EdgeSpace, network: NetworkSpec) -> None:
    """Raises ValueError for an unknown operation of a space of edges, or a network that they cannot have."""
    for op in space.ops:
        if op not in EDGE_OPERATIONS:
            raise unknown_name("op in space.ops", op, EDGE_OPERATIONS)
    _check_norm(network)
    check_edge_spec(network)


def check_cells(space: CellSpace, network: NetworkSpec) -> None:
    """Raises ValueError for a plug-in that cannot be used, or norms in more stages than the network has."""
    _check_norm(network)
    for names, table in ((space.ops, OPERATIONS), (space.norms, NORMALIZATIONS)):
        for name in filter(is_reference, names):
            table[name]  # raises ValueError if it cannot be used
    deepest = max((stages for stages in space.appearance_stages if stages is not None), default=0)
    if deepest > network.num_stages:
        raise ValueError(
            f"space.appearance_stages must be at most network.num_stages, {network.num_stages}, got {deepest}"
        )


def check_scored(
    settings: ZeroCostSettings, reward: Reward, search: SearchSettings, objectives: Sequence[str] = ()
) -> None:
    """Raises ValueError unless the reward is a score of the evaluator, which trains nothing; nor an objective."""
    if accuracies := {"accuracy", "shifted_accuracy"} & {*objectives}:
        raise ValueError(
            f"objectives.names must not hold {' and '.join(sorted(accuracies))} with evaluator zero_cost, which "
            f"measures none; name scores, such as {settings.scores[0]}:max"
        )
    if not isinstance(reward, Metric) or reward.metric not in settings.scores:
        came = f"metric {reward.metric}" if isinstance(reward, Metric) else type(reward).__name__
        allowed = ", ".join(settings.scores)
        raise ValueError(f"evaluator zero_cost needs a reward {{name: metric, metric: one of {allowed}}}, got {came}")
    if search.failure_reward is not None:
        raise ValueError(
            "search.failure_reward must be null with evaluator zero_cost, since scores have no lowest value, "
            f"got {search.failure_reward:g}"
        )


def check_shared(recipe: TrainRecipe, shifts: ShiftSettings, search: SearchSettings, pool: str) -> None:
    """Raises ValueError if a setting cannot be combined with shared weights."""
    if recipe.compile:
        raise ValueError("recipe.compile must be false with evaluator shared_weights: it would compile every trial")
    if shifts.reward:
        came = ", ".join(shifts.reward)
        raise ValueError(f"shifts.reward must be empty with evaluator shared_weights, which measures none, got {came}")
    if search.deterministic and pool != "serial":
        raise ValueError(
            "search.deterministic needs workers.pool serial with evaluator shared_weights: what a trial borrows "
            f"depends on those that run beside it, got {pool}"
        )


def check_held_out(data: DataSpec) -> None:
    """Raises ValueError if there are no held out images to select architectures or recipes by."""
    if not data.validation_fraction:
        raise ValueError(
            "data.validation_fraction must be above 0, since validation images select; 0 is for `nas train` only"
        )


def check_within_search(recipe: TrainRecipe, data: DataSpec) -> None:
    """Raises ValueError for settings of a recipe or of data that only `nas train` can follow."""
    check_held_out(data)
    if recipe.beyond_search:
        raise ValueError(f"recipe.{recipe.beyond_search[0]} is for `nas train`; children of a search cannot use it")
