from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.config.search_checks import check_cells, check_edges, check_names, check_scored
from experiments.config.search_settings import SearchSettings
from nas.fidelity import NetworkSpec
from nas.models.presets import PRESETS
from nas.rewards import Accuracy, Metric
from search_spaces.cell_space import CellSpace
from search_spaces.nasbench201 import NASBENCH201, EdgeSpace
from workers.evaluators.zero_cost import ZeroCostSettings

SEARCH = SearchSettings(num_trials=3, failure_reward=None)


def test_names_are_checked_with_a_suggestion():
    check_names({"ops": ["identity"], "norms": ["bn"], "blocks": 3})
    with pytest.raises(ValueError, match=r"op in space.ops 'sep_conv_3x4'; did you mean sep_conv_3x3"):
        check_names({"ops": ["sep_conv_3x4"]})


def test_edges_need_their_operations_and_their_network():
    check_edges(NASBENCH201, PRESETS["nasbench201"])
    with pytest.raises(ValueError, match=r"op in space.ops 'identity'"):
        check_edges(EdgeSpace(("identity", "none")), PRESETS["nasbench201"])
    with pytest.raises(ValueError, match=r"network.auxiliary does not apply"):
        check_edges(NASBENCH201, replace(PRESETS["nasbench201"], auxiliary=True))


def test_norms_of_appearance_need_that_many_stages():
    space = CellSpace(ops=("identity", "conv_3x3"), norms=("bn", "in"), appearance_stages=(2, 3))
    check_cells(space, NetworkSpec(num_stages=3))
    with pytest.raises(ValueError, match=r"at most network.num_stages, 2, got 3"):
        check_cells(space, NetworkSpec(num_stages=2))


def test_scores_need_a_reward_that_is_one_of_them():
    settings = ZeroCostSettings()
    check_scored(settings, Metric(settings.scores[0]), SEARCH)
    with pytest.raises(ValueError, match="got Accuracy"):
        check_scored(settings, Accuracy(), SEARCH)
    with pytest.raises(ValueError, match="must be null"):
        check_scored(settings, Metric(settings.scores[0]), SearchSettings(num_trials=3, failure_reward=0.0))
    check_scored(settings, Metric(settings.scores[0]), SEARCH, ["naswot:max", "parameters"])
    with pytest.raises(ValueError, match="must not hold accuracy with evaluator zero_cost, which measures none"):
        check_scored(settings, Metric(settings.scores[0]), SEARCH, ["accuracy", "parameters"])
