"""Networks of NAS-Bench-201: counts of the table to the last digit, and the meaning of each operation."""

from __future__ import annotations

import csv
import random
from dataclasses import replace

import pytest
import torch

from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.models.complexity import measure
from nas.models.edge_network import EDGE_OPERATIONS, EdgeCellLayers, EdgeNetwork
from nas.models.normalization import NormSettings
from nas.models.presets import PRESETS
from nas.recipe import TrainRecipe
from nas.training.initial import build_initial, zero_gamma

SPEC = PRESETS["nasbench201"]
SMALL = NetworkSpec(num_filters=4, num_repeats=1, image_size=9)
FIRST = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
NUM_BIASES = 10  # the table counts one multiply-add for each bias of the classifier


def cell(*ops: str) -> EdgeCell:
    return EdgeCell(ops)


def test_the_first_cell_of_the_benchmark_has_its_published_cost():
    cost = measure(EdgeCell.from_arch(FIRST), SPEC)
    assert cost.num_parameters == 129_306
    assert cost.num_multiply_adds + NUM_BIASES == 15_647_370
    assert [stage.name for stage in cost.stages] == ["stem", "stage 1", "stage 2", "stage 3", "classifier"]


def test_costs_are_those_of_the_table(real_data):
    """150 lines of the table hold the parameters of another cell: they contradict their own FLOPs. None is drawn."""
    with (real_data / "nasbench201" / "cifar10.csv").open(newline="") as file:
        rows = random.Random(1).sample(list(csv.DictReader(file)), 6)
    for row in rows:
        cost = measure(EdgeCell.from_arch(row["arch"]), SPEC)
        assert cost.num_parameters == round(1e6 * float(row["params_m"]))
        assert cost.num_multiply_adds + NUM_BIASES == round(1e6 * float(row["flops_m"]))


def test_nodes_add_their_edges():
    """With a skip connection on every edge, node n holds 2^(n-1) times the input."""
    layers = EdgeCellLayers(cell(*["skip_connect"] * 6), 4, NormSettings())
    images = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(layers(images), 4 * images)


def test_a_node_without_edges_is_zero():
    images = torch.randn(2, 4, 5, 5)
    assert not EdgeCellLayers(cell(*["none"] * 6), 4, NormSettings())(images).any()
    only_last = EdgeCellLayers(cell("none", "none", "none", "skip_connect", "none", "avg_pool_3x3"), 4, NormSettings())
    torch.testing.assert_close(only_last(images), images)


def test_an_average_pool_ignores_padding():
    layers = EdgeCellLayers(cell("avg_pool_3x3"), 4, NormSettings())
    torch.testing.assert_close(layers(torch.ones(1, 4, 5, 5)), torch.ones(1, 4, 5, 5))


def test_a_convolution_is_relu_convolution_norm():
    layers = EdgeCellLayers(cell("nor_conv_3x3"), 4, NormSettings()).eval()
    images = torch.randn(2, 4, 5, 5)
    convolution, norm = layers.nodes[0]["0"].layers
    expected = norm(torch.nn.functional.conv2d(images.relu(), convolution.weight, padding=1))
    torch.testing.assert_close(layers(images), expected)


@pytest.mark.parametrize("op", EDGE_OPERATIONS)
def test_every_operation_trains_in_a_network_of_odd_size(op):
    network = EdgeNetwork(cell(*[op] * 6), SMALL)
    logits = network(torch.randn(2, 3, 9, 9))
    assert logits.shape == (2, 10)
    logits.sum().backward()
    assert [tuple(map_.shape[1:]) for map_ in network.features(torch.randn(1, 3, 9, 9))] == [
        (4, 9, 9),
        (8, 5, 5),
        (16, 3, 3),
    ]


def test_initial_weights_have_the_spread_of_torchs_default():
    """Uniform within 1 / sqrt(fan-in), of any kernel size."""
    network = EdgeNetwork(cell("nor_conv_1x1", "nor_conv_3x3", "none"), replace(SMALL, num_filters=64))
    first, second = (network.stages[0][0].nodes[i]["0"].layers[0].weight for i in (0, 1))
    for weight, fan_in in ((first, 64), (second, 9 * 64)):
        assert 0.95 * fan_in**-0.5 < weight.abs().max() <= fan_in**-0.5


def test_zero_gamma_finds_branches_beside_a_skip_connection():
    network = build_initial(cell("nor_conv_3x3", "skip_connect", "nor_conv_1x1"), SMALL, TrainRecipe(), seed=0)
    assert zero_gamma(network) == SMALL.num_stages
    assert not network.stages[0][0].nodes[1]["1"].layers[1].weight.any()
    assert network.stages[0][0].nodes[0]["0"].layers[1].weight.all()


@pytest.mark.parametrize(
    ("ops", "changes", "message"),
    [
        (("conv_9x9",), {}, "the ops of a cell must be among none, skip_connect"),
        (("none",), {"auxiliary": True}, r"network\.auxiliary does not apply .* must be False, got True"),
        (("none",), {"stem": "imagenet"}, r"network\.stem does not apply"),
        (("none",), {"drop_path": 0.2}, r"network\.drop_path does not apply"),
    ],
)
def test_what_cannot_be_built_is_refused(ops, changes, message):
    with pytest.raises(ValueError, match=message):
        EdgeNetwork(EdgeCell(ops), replace(SMALL, **changes))
