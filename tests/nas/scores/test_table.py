from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.models.reference.names import ReferenceNetwork
from nas.scores.table import ALL_SCORES, SCORES, UnscorableError, check_scores, score_network
from search_spaces.published import PUBLISHED

SPEC = NetworkSpec(num_classes=4, image_size=8, num_filters=4, num_repeats=1)
IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 4
CELL = EdgeCell(("nor_conv_3x3", "skip_connect", "nor_conv_1x1"))


def score(architecture, names=ALL_SCORES, spec=SPEC, seed=0):
    return score_network(architecture, spec, names, images=IMAGES, labels=LABELS, seed=seed)


@pytest.mark.parametrize("name", ALL_SCORES)
def test_every_score_is_a_function_of_the_seed(name):
    state = torch.get_rng_state()
    value = score(CELL, [name])[name]
    assert math.isfinite(value)
    assert score(CELL, [name]) == {name: value}
    assert (score(CELL, [name], seed=1)[name] == value) == (name not in SCORES)
    assert torch.equal(torch.get_rng_state(), state)


def test_scores_do_not_depend_on_each_other():
    assert score(CELL) == {name: score(CELL, [name])[name] for name in ALL_SCORES}


@pytest.mark.parametrize("architecture", [PUBLISHED["nasnet-a"], ReferenceNetwork("resnet18-ibn-a")], ids=str)
def test_any_network_is_scored_without_its_parts_for_training(architecture):
    spec = replace(SPEC, image_size=16, auxiliary=True, drop_path=0.3, dropout=0.5)
    scores = score_network(
        architecture, spec, ALL_SCORES, images=torch.randn(4, 3, 16, 16), labels=torch.arange(4), seed=0
    )
    assert all(math.isfinite(value) for value in scores.values())


def test_scores_prefer_a_cell_with_convolutions_to_one_without():
    """Averaging the input has little to learn from: a cell of 3x3 convolutions is the better one in the benchmark."""
    better, worse = (score(EdgeCell((op,) * 6)) for op in ("nor_conv_3x3", "avg_pool_3x3"))
    for name in ALL_SCORES:
        assert better[name] > worse[name], name


def test_a_network_that_ignores_its_input_has_no_score():
    for name in ("naswot", "zen", "synflow", "jacobian_covariance"):
        with pytest.raises(UnscorableError, match=f"the score {name} of this network must be finite"):
            score(EdgeCell(("none",)), [name], spec=replace(SPEC, num_stages=1))


@pytest.mark.parametrize(
    ("names", "message"),
    [(["naswott"], "a score must be one of naswot, synflow"), ([], "got none"), (["zen", "zen"], "each once")],
)
def test_unknown_scores_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        check_scores(names)
