import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.fidelity import NetworkSpec, TrainRecipe
from nas.models.reference.names import ReferenceNetwork
from nas.training.initial import build_initial, zero_gamma

SPEC = NetworkSpec(num_classes=3, image_size=8, num_filters=4, num_repeats=1, num_stages=2)


def architecture(*blocks):
    cell = Cell(tuple(blocks))
    return Architecture(cell, cell)


def num_zero_norms(network):
    return sum(
        name.endswith("weight") and weight.ndim == 1 and bool((weight == 0).all())
        for name, weight in network.named_parameters()
    )


@pytest.mark.parametrize(
    ("block", "num_branches"),
    [
        (Block(Edge(1, "identity"), Edge(1, "sep_conv_3x3")), 2),  # in both normal cells; the reduction has no identity
        (Block(Edge(1, "identity"), Edge(1, "sep_conv_3x3"), combine="concat"), 0),
        (Block(Edge(1, "conv_3x3"), Edge(1, "sep_conv_3x3")), 0),
        (Block(Edge(1, "identity"), Edge(1, "identity")), 0),
        (Block(Edge(1, "identity"), Edge(1, "max_pool_3x3")), 0),  # no norm
        (Block(Edge(1, "identity"), Edge(1, "conv_3x3"), norm="none"), 0),
        (Block(Edge(1, "conv_3x3"), Edge(1, "identity"), norm="gn"), 2),
        (Block(Edge(1, "conv_3x3"), Edge(1, "identity"), norm="ibn"), 2),
    ],
)
def test_in_cells_what_is_added_to_an_identity_starts_at_zero(block, num_branches):
    network = build_initial(architecture(block), SPEC, TrainRecipe(), seed=0)
    assert num_zero_norms(network) == 0
    assert zero_gamma(network) == num_branches
    assert num_zero_norms(network) == num_branches * (2 if block.norm == "ibn" else 1)


@pytest.mark.parametrize(("name", "num_branches"), [("resnet18", 8), ("resnet50", 16), ("resnet18-ibn-b", 8)])
def test_in_residual_networks_each_branch_starts_at_zero(name, num_branches):
    with torch.device("meta"):
        network = build_initial(ReferenceNetwork(name), SPEC, TrainRecipe(), seed=0)
    assert zero_gamma(network) == num_branches


def test_an_addition_starts_as_the_state_itself():
    block = Block(Edge(1, "identity"), Edge(1, "sep_conv_3x3"))
    network = build_initial(architecture(block), SPEC, TrainRecipe(zero_gamma=True), seed=0)
    branch = network.cells[0].blocks[0].edges[1].layers
    assert branch(torch.rand(2, 4, 8, 8)).abs().max() == 0


def test_weights_follow_from_the_seed_and_the_generator_is_left_alone():
    state = torch.get_rng_state()
    first, again, other = (
        build_initial(architecture(Block(Edge(0, "conv_3x3"), Edge(1, "identity"))), SPEC, TrainRecipe(), seed=seed)
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert torch.equal(torch.get_rng_state(), state)
