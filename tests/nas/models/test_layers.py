from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.nn import functional

from nas.models.layers import Conv, FactorizedReduction, Pool, Rectified, Unchanged, same_padding


def brute_force_pool(images, pool):
    """The definition of TensorFlow's SAME pooling, window by window."""
    batch, channels, height, width = images.shape
    rows, columns = math.ceil(height / pool.stride), math.ceil(width / pool.stride)
    top = max((rows - 1) * pool.stride + pool.size - height, 0) // 2
    left = max((columns - 1) * pool.stride + pool.size - width, 0) // 2
    result = torch.empty(batch, channels, rows, columns)
    for row, column in itertools.product(range(rows), range(columns)):
        y, x = row * pool.stride - top, column * pool.stride - left
        window = images[:, :, max(y, 0) : y + pool.size, max(x, 0) : x + pool.size].flatten(2)
        if pool.kind == "max":
            result[:, :, row, column] = window.amax(2)
        else:
            result[:, :, row, column] = window.sum(2) / (pool.size**2 if pool.counts_padding else window.shape[2])
    return result


@pytest.mark.parametrize(
    "pool",
    [
        *(Pool("max", size, stride) for size in (2, 3, 5, 7) for stride in (1, 2)),
        Pool("avg", 3, 1),
        Pool("avg", 3, 2),
        Pool("avg", 3, 2, counts_padding=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (3, 4), (5, 5), (8, 7)], ids=str)
def test_pools_are_padded_as_same(pool, shape):
    images = torch.randn(2, 3, *shape)
    torch.testing.assert_close(pool(images), brute_force_pool(images, pool))


def test_equal_views_are_equal_keys():
    assert Pool("avg", 3, 1) == Pool("avg", 3, 1) != Pool("avg", 3, 2)
    assert len({Pool("avg", 3, 1), Pool("avg", 3, 1), Rectified(), Rectified(), Unchanged()}) == 3


@pytest.mark.parametrize(
    ("length", "size", "stride", "expected"),
    [(8, 3, 1, (1, 1)), (8, 3, 2, (0, 1)), (7, 3, 2, (1, 1)), (8, 5, 2, (1, 2)), (8, 1, 2, (0, 0)), (1, 7, 2, (3, 3))],
)
def test_same_padding(length, size, stride, expected):
    assert same_padding(length, size, stride) == expected


@pytest.mark.parametrize("size", [1, 3, 7, (1, 7), (3, 1)])
@pytest.mark.parametrize("stride", [1, 2, (1, 2)])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (8, 8)], ids=str)
def test_convolutions_are_padded_as_same(size, stride, dilation, shape):
    conv = Conv(2, 4, size, stride=stride, dilation=dilation)
    images = torch.randn(2, 2, *shape)
    steps = (stride, stride) if isinstance(stride, int) else stride
    extents = [(length - 1) * dilation + 1 for length in conv.kernel_size]
    (top, bottom), (left, right) = (same_padding(*each) for each in zip(shape, extents, steps, strict=True))
    padded = functional.pad(images, (left, right, top, bottom))
    expected = functional.conv2d(padded, conv.weight, stride=stride, dilation=dilation)
    torch.testing.assert_close(conv(images), expected)
    assert expected.shape[2:] == tuple(-(-length // step) for length, step in zip(shape, steps, strict=True))


@pytest.mark.parametrize(("groups", "fan_out"), [(1, 9 * 256), (256, 9)])
def test_weights_are_drawn_by_fan_out(groups, fan_out):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = Conv(256, 256, 3, groups=groups)
    # 2,304 weights or more: their standard deviation lies within 10 % of the true one (six of its own deviations).
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.1)


@pytest.mark.parametrize("shape", [(4, 4), (5, 5), (4, 5), (1, 1)], ids=str)
@pytest.mark.parametrize("out_channels", [4, 5])
def test_factorized_reduction_reads_every_pixel_once(shape, out_channels):
    reduction = FactorizedReduction(3, out_channels, torch.nn.Identity())
    images = torch.randn(2, 3, *shape)
    shifted = functional.pad(images, (0, 1, 0, 1))[:, :, 1:, 1:]
    even = functional.conv2d(images, reduction.even.weight, stride=2)
    odd = functional.conv2d(shifted, reduction.odd.weight, stride=2)
    torch.testing.assert_close(reduction(images), torch.cat((even, odd), 1))
    assert reduction(images).shape[1] == out_channels


def test_factorized_reduction_to_one_filter_reads_the_even_pixels():
    reduction = FactorizedReduction(3, 1, torch.nn.Identity()).double()
    images = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(reduction(images), functional.conv2d(images, reduction.even.weight, stride=2))
    assert torch.autograd.gradcheck(reduction, images)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 4), (1, 1)], ids=str)
def test_gradient_of_factorized_reduction(shape, memory_format):
    reduction = FactorizedReduction(3, 4, torch.nn.Identity()).double()
    images = torch.randn(2, 3, *shape, dtype=torch.float64).to(memory_format=memory_format).requires_grad_()
    shifted = functional.pad(images, (0, 1, 0, 1))[:, :, 1:, 1:]
    expected = functional.conv2d(images, reduction.even.weight, stride=2).square().sum()
    expected = expected + functional.conv2d(shifted, reduction.odd.weight, stride=2).square().sum()
    ours = torch.autograd.grad(reduction(images).square().sum(), images)[0]
    torch.testing.assert_close(ours, torch.autograd.grad(expected, images)[0])
    assert ours.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 12, 44])
def test_strided_pointwise_convolution_with_any_number_of_channels(channels):
    """On CPUs without AVX-512, oneDNN's gradient wrote out of bounds where channels were no multiple of 8."""
    generator = torch.Generator().manual_seed(0)
    conv = Conv(channels, 3, 1, stride=2).to(memory_format=torch.channels_last)
    for _ in range(20):
        images = torch.randn(8, channels, 8, 7, generator=generator).contiguous(memory_format=torch.channels_last)
        expected = torch.nn.functional.conv2d(images[:, :, ::2, ::2].double(), conv.weight.double())
        result = conv(images.requires_grad_())
        torch.testing.assert_close(result.double(), expected, atol=1e-5, rtol=1e-5)
        result.backward(torch.ones_like(result))
        of_pixel = conv.weight.detach().sum(dim=0).flatten()
        torch.testing.assert_close(images.grad[:, :, ::2, ::2].mean(dim=(0, 2, 3)), of_pixel, atol=1e-5, rtol=1e-5)
        assert not images.grad[:, :, 1::2].any()
