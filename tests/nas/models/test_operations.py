"""The contract of every operation under every norm."""

from __future__ import annotations

import pytest
import torch

from nas.models.layers import Conv, Rectified
from nas.models.normalization import NORMALIZATIONS, NormSettings, OperationNorms
from nas.models.operations import OPERATIONS, Site
from nas.models.states import HiddenState

WIDTHS = ((3, 3), (7, 4), (64, 64))
SHAPES = ((6, 6), (5, 3))


def build(op, norm="bn", *, widths=(4, 4), stride=1, counts_padding=False):
    norms = OperationNorms(NORMALIZATIONS[norm], NormSettings())
    return OPERATIONS[op].build(Site(*widths, stride, norms, counts_padding))


def halved(shape, stride):
    return tuple(-(-length // stride) for length in shape)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("norm", NORMALIZATIONS)
@pytest.mark.parametrize("op", OPERATIONS)
def test_contract(op, norm, stride):
    for widths, shape in zip(WIDTHS, (*SHAPES, SHAPES[0]), strict=True):
        layers = build(op, norm, widths=widths, stride=stride).double()
        images = torch.randn(3, widths[0], *shape, dtype=torch.float64, requires_grad=True)
        for training in (True, False):
            result = layers.train(training)(HiddenState(images))
            assert result.shape == (3, widths[1], *halved(shape, stride))
            gradients = torch.autograd.grad(result.square().sum(), (images, *layers.parameters()))
            assert all(gradient.isfinite().all() for gradient in gradients)
        alone = layers(HiddenState(images[:1]))
        torch.testing.assert_close(result[:1], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("op", OPERATIONS)
def test_single_pixels_and_single_images_train(op):
    for norm in ("bn", "in", "ibn"):
        layers = build(op, norm)
        result = layers(HiddenState(torch.randn(1, 4, 1, 1)))
        assert result.shape == (1, 4, 1, 1)
        assert result.isfinite().all()


def test_the_thirteen_operations_of_nasnet_are_there():
    from search_spaces.nasnet import NASNET_OPS

    assert len(NASNET_OPS) == 13
    assert set(NASNET_OPS) <= set(OPERATIONS)


def test_only_identity_is_exempt_from_drop_path():
    assert [name for name, operation in OPERATIONS.items() if not operation.drops] == ["identity"]


def test_identity_and_pools_have_no_parameters_where_shapes_agree():
    for op in ("identity", "avg_pool_3x3", "max_pool_7x7"):
        assert list(build(op).parameters()) == []
    assert list(build("max_pool_3x3", stride=2).parameters()) == []


def test_identity_of_another_shape_is_a_rectified_strided_convolution():
    layers = build("identity", widths=(4, 4), stride=2)
    assert layers.view == Rectified()
    assert [type(layer).__name__ for layer in layers.layers] == ["Conv", "BatchNorm"]
    assert layers.layers[0].stride == (2, 2)


def test_pool_of_another_width_is_followed_by_a_convolution_without_relu():
    layers = build("max_pool_3x3", widths=(4, 6))
    assert [type(layer).__name__ for layer in layers.layers] == ["Conv", "BatchNorm"]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("conv_1x1", 8 * 16),
        ("conv_3x3", 9 * 8 * 16),
        ("conv_1x3_3x1", 3 * 8 * 16 + 3 * 16 * 16),
        ("conv_1x7_7x1", 7 * 8 * 16 + 7 * 16 * 16),
        ("dil_conv_3x3", 9 * 8 + 8 * 16),
        ("sep_conv_3x3", 9 * 8 + 8 * 16 + 9 * 16 + 16 * 16),
        ("sep_conv_7x7", 49 * 8 + 8 * 16 + 49 * 16 + 16 * 16),
        ("dil2_sep_conv_5x5", 25 * 8 + 8 * 16 + 25 * 16 + 16 * 16),
        ("bottleneck_conv_3x3", 8 * 4 + 9 * 4 * 4 + 4 * 16),
        ("bottleneck_conv_1x3_3x1", 8 * 6 + 2 * 3 * 6 * 6 + 6 * 16),
        ("bottleneck_conv_1x7_7x1", 8 * 4 + 2 * 7 * 4 * 4 + 4 * 16),
    ],
)
def test_weights_of_convolutions(op, expected):
    layers = build(op, "none", widths=(8, 16))
    assert sum(parameter.numel() for parameter in layers.parameters()) == expected


def test_bottleneck_of_too_few_filters_is_its_core():
    layers = build("bottleneck_conv_3x3", "none", widths=(4, 3))
    assert [layer.kernel_size for layer in layers.layers if isinstance(layer, Conv)] == [(3, 3)]


def test_average_counts_padding_only_where_strided():
    assert build("avg_pool_3x3", stride=2, counts_padding=True).view.counts_padding
    assert not build("avg_pool_3x3", stride=1, counts_padding=True).view.counts_padding
