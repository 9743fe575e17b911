from __future__ import annotations

import pytest
import torch

from nas.models.fast_cpu import depthwise
from nas.models.layers import Conv, DepthwiseConv


def gradients(conv, images):
    images = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    result = conv(images)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    return result, *torch.autograd.grad((result * weights).sum(), (images, conv.weight))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 8), (8, 5), (9, 9), (10, 10)], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5, 7])
def test_values_and_gradients_are_those_of_the_plain_convolution(size, stride, shape, memory_format):
    fast = DepthwiseConv(4, size, stride=stride).double()
    plain = Conv(4, 4, size, stride=stride, groups=4).double()
    plain.load_state_dict(fast.state_dict())
    images = torch.randn(3, 4, *shape, dtype=torch.float64).to(memory_format=memory_format)
    for ours, expected in zip(gradients(fast, images), gradients(plain, images), strict=True):
        torch.testing.assert_close(ours, expected)


def test_dilated_convolutions_are_the_plain_ones():
    fast, plain = DepthwiseConv(4, 5, dilation=2), Conv(4, 4, 5, dilation=2, groups=4)
    plain.load_state_dict(fast.state_dict())
    images = torch.randn(2, 4, 9, 9)
    for ours, expected in zip(gradients(fast, images), gradients(plain, images), strict=True):
        torch.testing.assert_close(ours, expected)


def test_no_gradient_of_images_that_need_none(monkeypatch):
    wanted = []
    compute = depthwise._gradients

    def record(*arguments):
        wanted.append(arguments[-1])
        return compute(*arguments)

    monkeypatch.setattr(depthwise, "_gradients", record)
    DepthwiseConv(2, 5)(torch.randn(1, 2, 6, 6)).sum().backward()
    assert wanted == [(False, True), (False, True)]


def test_other_programs_see_a_plain_convolution():
    conv = DepthwiseConv(2, 5)
    images = torch.randn(1, 2, 6, 6)
    assert "DepthwiseConvolution" in type(conv(images).grad_fn).__name__
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "DepthwiseConvolution" not in type(conv(images).grad_fn).__name__
    with torch.no_grad():
        assert conv(images).grad_fn is None
    conv.requires_grad_(requires_grad=False)
    assert conv(images).grad_fn is None


def test_the_windows_of_wide_kernels_are_cut_into_narrow_ones():
    assert depthwise._column_groups(3) == [(0, 3)]
    assert depthwise._column_groups(5) == [(0, 3), (3, 2)]
    assert depthwise._column_groups(7) == [(0, 3), (3, 2), (5, 2)]
