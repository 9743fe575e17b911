from __future__ import annotations

import torch

from nas.architecture import Block, Cell, Edge
from nas.models.cell import CellLayers, CellSettings
from nas.models.layers import Conv, FactorizedReduction, Unchanged
from nas.models.normalization import BatchNorm, GroupNorm, InstanceNorm, NormSettings
from nas.models.states import HiddenState, StateShape

NORMS = NormSettings()


def block(left, left_op, right, right_op, **settings):
    return Block(Edge(left, left_op), Edge(right, right_op), **settings)


def build(cell, before=(4, 0), previous=(4, 0), *, stride=1, first=False, **settings):
    inputs = StateShape(*before), StateShape(*previous)
    return CellLayers(cell, inputs, CellSettings(4, stride, NORMS, **settings), first=first)


def run(layers, before, previous, factors=None):
    return layers(HiddenState(before), HiddenState(previous), factors).view(Unchanged())


def test_previous_state_is_always_matched_and_the_one_before_only_where_it_differs():
    cell = Cell((block(0, "identity", 1, "identity"),))
    assert build(cell).match_before is None
    assert isinstance(build(cell).match_previous.layers[0], Conv)
    assert isinstance(build(cell, before=(6, 0)).match_before.layers[0], Conv)
    assert isinstance(build(cell, before=(4, 0), previous=(4, 1)).match_before.layers, FactorizedReduction)


def test_first_cell_reads_the_stem_as_it_is():
    cell = Cell((block(0, "identity", 1, "sep_conv_3x3"),), concat=(0, 2))
    layers = build(cell, before=(12, 0), previous=(12, 0), first=True)
    assert layers.match_before is None
    convolution, _ = layers.blocks[0].edges[0].layers
    assert (convolution.in_channels, convolution.out_channels) == (12, 4)
    assert layers.match_outputs["0"].layers[0].in_channels == 12
    stem = torch.randn(2, 12, 5, 5)
    assert run(layers, stem, stem).shape == (2, 8, 5, 5)


def test_only_what_reads_an_input_is_strided():
    cell = Cell((block(0, "max_pool_3x3", 1, "sep_conv_3x3"), block(2, "sep_conv_3x3", 1, "max_pool_3x3")))
    layers = build(cell, stride=2)
    first, second = layers.blocks
    assert first.edges[0].view.stride == 2
    assert first.edges[1].layers[0].stride == (2, 2)
    assert second.edges[0].layers[0].stride == (1, 1)
    assert run(layers, torch.randn(2, 4, 7, 7), torch.randn(2, 4, 7, 7)).shape == (2, 4, 4, 4)
    assert layers.shape == StateShape(4, 1)


def test_inputs_among_the_outputs_of_a_reduction_are_halved_without_relu():
    cell = Cell((block(0, "max_pool_3x3", 1, "max_pool_3x3"),), concat=(1, 2))
    layers = build(cell, stride=2)
    matching = layers.match_outputs["1"]
    assert isinstance(matching.layers, FactorizedReduction)
    assert matching.view == Unchanged()
    assert run(layers, torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6)).shape == (2, 8, 3, 3)


def test_concatenation_gives_twice_the_filters_and_operations_bring_them_back():
    cell = Cell((block(0, "identity", 1, "identity", combine="concat"), block(2, "identity", 2, "avg_pool_3x3")))
    layers = build(cell)
    assert layers.blocks[0].num_channels == 8
    assert layers.blocks[1].edges[0].layers[0].in_channels == 8
    assert build(Cell(cell.blocks[:1])).shape == StateShape(8, 0)


def test_equal_pools_and_rectified_states_are_computed_once():
    cell = Cell((block(0, "avg_pool_3x3", 0, "avg_pool_3x3"), block(0, "conv_1x1", 0, "conv_3x3")))
    layers = build(cell)
    states = HiddenState(torch.randn(1, 4, 4, 4)), HiddenState(torch.randn(1, 4, 4, 4))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        layers(*states)
    calls = {event.key: event.count for event in profile.key_averages()}
    assert calls["aten::avg_pool2d"] == 1
    assert calls["aten::relu"] == 2  # of either input


def test_norm_after_the_combination():
    for combine, num_channels in (("add", 4), ("concat", 8)):
        layers = build(Cell((block(0, "conv_1x1", 1, "conv_1x1", norm="ibn_b", combine=combine),)))
        after = layers.blocks[0].after
        assert isinstance(after, InstanceNorm)
        assert after.num_channels == num_channels
        result = run(layers, torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5))
        torch.testing.assert_close(result.mean((2, 3)), torch.zeros(2, num_channels), atol=1e-5, rtol=0)


def test_norms_that_remove_appearance_give_way_to_batch_norm():
    def norm(name, appearance):
        cell = Cell((block(0, "conv_1x1", 1, "conv_1x1", norm=name),))
        return type(build(cell, appearance=appearance).blocks[0].edges[0].layers[1])

    assert norm("in", appearance=True) is InstanceNorm
    assert norm("in", appearance=False) is BatchNorm
    assert norm("gn", appearance=False) is GroupNorm


def test_factors_scale_every_path_but_identities():
    cell = Cell((block(0, "identity", 1, "conv_1x1"), block(0, "max_pool_3x3", 1, "identity", combine="concat")))
    layers = build(cell).eval()
    assert layers.num_paths == 2
    before, previous = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    zeros, ones = torch.zeros(2, 1, 1, 1), torch.ones(2, 1, 1, 1)
    matched = layers.match_previous(HiddenState(previous)).view(Unchanged())
    dropped = run(layers, before, previous, iter((zeros, zeros)))
    torch.testing.assert_close(dropped, torch.cat((before, torch.zeros_like(before), matched), 1))
    torch.testing.assert_close(run(layers, before, previous, iter((ones, ones))), run(layers, before, previous))
