from __future__ import annotations

import copy
import importlib.util
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.fidelity import NetworkSpec
from nas.models.cell import Matching
from nas.models.layers import Unchanged
from nas.models.network import build_network, check_names
from nas.models.normalization import BatchNorm, InstanceNorm
from nas.models.presets import PRESETS
from search_spaces.nasnet import NASNET
from search_spaces.published import PUBLISHED

NASNET_A = PUBLISHED["nasnet-a"]
ROOT = Path(__file__).parents[3]
SMALL = NetworkSpec(num_filters=4, num_repeats=1)


def one_block(op="conv_1x1", norm="bn"):
    cell = Cell((Block(Edge(0, op), Edge(1, op), norm=norm),))
    return Architecture(cell, cell)


def build(architecture, spec, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_network(architecture, spec)


def train_step(network, spec, batch=2):
    images = torch.randn(batch, spec.in_channels, spec.image_size, spec.image_size)
    results = network(images)
    logits = results if isinstance(results, tuple) else (results,)
    assert all(each.shape == (batch, spec.num_classes) for each in logits)
    sum(each.square().mean() for each in logits).backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in network.parameters())
    return logits


@pytest.mark.parametrize("seed", range(24))
def test_every_decision_of_nasnets_space_builds_and_trains(seed):
    generator = random.Random(seed)
    decisions = tuple(generator.randrange(choice.num_options) for choice in NASNET.choices)
    spec = replace(
        SMALL,
        image_size=generator.choice((8, 9, 11, 16, 17, 32)),
        num_repeats=generator.choice((1, 2)),
        auxiliary=generator.random() < 0.5,
        drop_path=generator.choice((0.0, 0.3)),
        skip_reduction_input=generator.random() < 0.5,
        reduction_in_stage=generator.random() < 0.5,
    )
    network = build(NASNET.decode(decisions), spec)
    network.set_progress(0.5)
    train_step(network, spec)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("preset", ["cifar10", "imagenet-large"])
def test_published_cells_train_in_small_stacks(name, preset):
    spec = replace(PRESETS[preset], num_filters=8, num_repeats=1, image_size=19, num_classes=3)
    network = build(PUBLISHED[name], spec)
    network.set_progress(1.0)
    assert len(train_step(network, spec)) == 2
    assert network.eval()(torch.randn(2, 3, 19, 19)).shape == (2, 3)


def test_single_images_train_down_to_single_pixels():
    spec = replace(SMALL, image_size=8, num_stages=5, auxiliary=True)
    for norm in ("bn", "in", "ibn_b", "gn"):
        train_step(build(one_block("sep_conv_3x3", norm), spec), spec, batch=1)


# The widths and sizes of the authors' end points (nasnet_test.py): stem, then the stages' last normal cells and the
# reduction cells between them.
END_POINTS = {
    "cifar10": (32, [(192, 32), (256, 16), (384, 16), (512, 8), (768, 8)]),
    "imagenet-mobile": (224, [(88, 28), (264, 28), (352, 14), (528, 14), (704, 7), (1056, 7)]),
    "imagenet-large": (331, [(336, 42), (1008, 42), (1344, 21), (2016, 21), (2688, 11), (4032, 11)]),
}


@pytest.mark.parametrize("preset", END_POINTS)
def test_widths_and_sizes_of_end_points(preset):
    image_size, expected = END_POINTS[preset]
    spec = PRESETS[preset]
    with torch.device("meta"):
        network = build_network(NASNET_A, spec)
        seen = []
        for cell in network.cells:
            cell.register_forward_hook(lambda _module, _inputs, output: seen.append(output.view(Unchanged()).shape))
        with torch.no_grad():
            network.eval()(torch.empty(1, 3, image_size, image_size))
    sizes = [(shape[1], shape[2]) for shape in seen]
    reductions = [size for size, place in zip(sizes, network.places, strict=True) if place.reduction]
    ends = [size for size, place in zip(sizes, network.places, strict=True) if place.ends_stage]
    stem_output, between = reductions[: spec.num_stem_cells], reductions[spec.num_stem_cells :]
    assert [*stem_output[-1:], ends[0], between[0], ends[1], between[1], ends[2]] == expected


def test_features_are_the_outputs_of_the_stages():
    network = build(NASNET_A, SMALL).eval()
    images = torch.randn(2, 3, 32, 32)
    features = network.features(images)
    assert [tuple(feature.shape) for feature in features] == [(2, 24, 32, 32), (2, 48, 16, 16), (2, 96, 8, 8)]
    torch.testing.assert_close(network(images), network.classifier(features[-1].relu().mean((2, 3))))
    assert any((feature < 0).any() for feature in features)


def test_auxiliary_logits_only_in_training():
    spec = replace(SMALL, auxiliary=True)
    network = build(NASNET_A, spec)
    images = torch.randn(2, 3, 32, 32)
    logits, auxiliary = network(images)
    assert logits.shape == auxiliary.shape == (2, 10)
    assert isinstance(network.eval()(images), torch.Tensor)


def test_equal_seeds_give_equal_networks():
    first, again, other = (build(NASNET_A, SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_evaluation_does_not_see_the_batch():
    network = build(NASNET_A, SMALL).double().eval()
    images = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-9, atol=1e-9)


def test_memory_formats_agree():
    network = build(NASNET_A, SMALL).double().eval()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    expected = network(images)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(images.to(memory_format=torch.channels_last)), expected)


def test_drop_path_changes_training_as_it_proceeds_and_evaluation_never():
    spec = replace(SMALL, drop_path=0.9)
    network = build(NASNET_A, spec)
    images = torch.randn(4, 3, 16, 16)

    def difference():
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return (network(images) - network(images)).abs().max().item()

    assert difference() == 0  # two passes draw differently, but at the start nothing is dropped
    network.set_progress(1.0)
    assert difference() > 0
    network.eval()
    assert difference() == 0


def test_progress_without_drop_path_is_accepted():
    build(one_block(), SMALL).set_progress(0.5)


@pytest.mark.parametrize(("stages", "expected"), [(None, [0, 1, 2]), (0, []), (1, [0]), (2, [0, 1]), (9, [0, 1, 2])])
def test_instance_norms_stand_only_in_the_appearance_stages(stages, expected):
    network = build(replace(one_block(norm="in"), appearance_stages=stages), replace(SMALL, num_stem_cells=1))
    found = {
        place.stage
        for cell, place in zip(network.cells, network.places, strict=True)
        for block in cell.blocks
        if any(isinstance(module, InstanceNorm) for module in block.modules())
    }
    assert sorted(found) == expected
    assert all(isinstance(cell.match_previous.layers[1], BatchNorm) for cell in network.cells)


def test_a_constant_colour_changes_nothing_behind_instance_norm_and_something_behind_batch_norm():
    for norm, changes in (("in", False), ("bn", True)):
        network = build(one_block(norm=norm), SMALL).double().train()
        layers = network.cells[0].blocks[0].edges[0].layers  # 1x1: a constant stays one
        images = torch.rand(2, 12, 8, 8, dtype=torch.float64)
        coloured = images.clone()
        coloured[0] += torch.rand(12, 1, 1, dtype=torch.float64)
        assert torch.allclose(layers(images), layers(coloured), atol=1e-9) != changes


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"the ops of block 0 of the normal cell must be among identity, .*got 'warp'"):
        check_names(one_block("warp"))
    with pytest.raises(ValueError, match=r"the norm of block 0 of the normal cell must be among bn, .*got 'lrn'"):
        build_network(one_block(norm="lrn"), SMALL)


def test_convolutions_that_read_one_cell_are_computed_together_in_training_and_come_to_the_same():
    spec = replace(SMALL, num_repeats=3)
    network = build(NASNET_A, spec).double()
    siblings = [len(cell.match_previous.siblings) for cell in network.cells]
    assert siblings == [2, 2, 2, 1, 2, 2, 2, 1, 2, 2, 1]  # what a reduction reads is halved for the cell after it
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    together = network(images)
    gradients = torch.autograd.grad(together.square().sum(), list(network.parameters()))
    for module in network.modules():
        if isinstance(module, Matching):
            module.siblings = ()
    apart = network(images)
    torch.testing.assert_close(together, apart)
    expected = torch.autograd.grad(apart.square().sum(), list(network.parameters()))
    for ours, each in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, each, rtol=1e-6, atol=1e-6)


def test_a_copy_is_independent():
    network = build(NASNET_A, SMALL)
    copied = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    logits = copied(torch.randn(2, 3, 16, 16))
    logits.square().sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in copied.parameters())


def test_it_compiles_and_exports_as_a_whole():
    spec = replace(SMALL, num_stages=2, drop_path=0.2)
    network = build(one_block("sep_conv_5x5"), spec)
    images = torch.randn(2, 3, 8, 8)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), network(images))
    network.eval()
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


def test_values_and_gradients_are_those_of_the_network_written_plainly():
    module_spec = importlib.util.spec_from_file_location("plain_network", ROOT / "benchmarks" / "plain_network.py")
    plain_network = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(plain_network)
    network = build(NASNET_A, SMALL).double()
    plain = plain_network.PlainNetwork(SMALL.num_filters, SMALL.num_repeats).double()
    plain.load_state_dict(network.state_dict())
    network.to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    logits, expected = network(images.to(memory_format=torch.channels_last)), plain(images)
    torch.testing.assert_close(logits, expected)
    gradients = torch.autograd.grad(logits.logsumexp(1).sum(), list(network.parameters()))
    for ours, theirs in zip(
        gradients, torch.autograd.grad(expected.logsumexp(1).sum(), list(plain.parameters())), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)
