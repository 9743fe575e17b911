"""Counts to the last digit, as published or as the authors' code gives them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.complexity import measure
from nas.models.network import build_network
from nas.models.presets import PRESETS
from search_spaces.published import PUBLISHED

NASNET_A = PUBLISHED["nasnet-a"]
LOOSE_ENDS = Architecture(replace(NASNET_A.normal, concat=None), replace(NASNET_A.reduction, concat=None))


@pytest.mark.parametrize(
    ("architecture", "spec", "num_parameters", "mega_multiply_adds", "auxiliary"),
    [
        (NASNET_A, PRESETS["imagenet-large"], 88_753_150, 23_783.4, 4_567_784),
        (NASNET_A, PRESETS["imagenet-mobile"], 5_289_978, 563.6, 2_411_240),
        (NASNET_A, PRESETS["cifar10"], 3_346_538, 544.3, 1_631_498),
        (NASNET_A, replace(PRESETS["cifar10"], num_classes=100), 3_415_748, None, None),
        (LOOSE_ENDS, PRESETS["cifar10"], 3_076_906, 499.2, None),
        (PUBLISHED["pnasnet-5"], PRESETS["pnasnet-large"], 86_057_668, 24_937.4, None),
        (NASNET_A, NetworkSpec(num_filters=32, num_repeats=2), 1_294_698, 232.0, 0),
        (NASNET_A, NetworkSpec(num_filters=16, num_repeats=2), 363_194, 65.8, 0),
    ],
    ids=["large", "mobile", "cifar", "cifar-100", "loose ends", "pnasnet", "child", "narrow child"],
)
def test_published_counts(architecture, spec, num_parameters, mega_multiply_adds, auxiliary):
    complexity = measure(architecture, spec)
    assert complexity.num_parameters == num_parameters
    if mega_multiply_adds is not None:
        tolerance = 0.05 if mega_multiply_adds != 232.0 else 0.5
        assert complexity.num_multiply_adds / 1e6 == pytest.approx(mega_multiply_adds, abs=tolerance)
    if auxiliary is not None:
        assert complexity.auxiliary_num_parameters == auxiliary


def test_it_counts_what_a_built_network_has():
    spec = NetworkSpec(num_filters=8, num_repeats=1, auxiliary=True)
    complexity = measure(NASNET_A, spec)
    network = build_network(NASNET_A, spec)
    built = sum(parameter.numel() for parameter in network.parameters())
    assert complexity.num_parameters + complexity.auxiliary_num_parameters == built


def test_stages_add_up():
    complexity = measure(NASNET_A, PRESETS["imagenet-mobile"])
    assert [stage.name for stage in complexity.stages] == ["stem", "stage 1", "stage 2", "stage 3", "classifier"]
    for name in ("num_parameters", "num_multiply_adds", "num_activations"):
        assert sum(getattr(stage, name) for stage in complexity.stages) == getattr(complexity, name)
    classifier = complexity.stages[-1]
    assert (classifier.num_multiply_adds, classifier.num_activations) == (1056 * 1000, 1000)


def test_multiply_adds_of_a_stem_by_hand():
    spec = NetworkSpec(num_filters=2, num_repeats=1, num_stages=1, image_size=8)
    stem = measure(NASNET_A, spec).stages[0]
    assert stem.num_multiply_adds == 8 * 8 * 6 * 27
    assert stem.num_activations == 8 * 8 * 6
    assert stem.num_parameters == 6 * 27 + 2 * 6


def test_a_cost_is_computed_once():
    assert measure(NASNET_A, NetworkSpec()) is measure(NASNET_A, NetworkSpec())
