from __future__ import annotations

import os
from unittest import mock

import pytest
import torch
from torch import nn

from nas.models import normalization
from nas.models.normalization import (
    NORMALIZATIONS,
    BatchNorm,
    InstanceBatchNorm,
    InstanceNorm,
    NormSettings,
    OperationNorms,
    num_groups,
    use_batch_statistics,
)

SETTINGS = NormSettings()


def build(name, num_channels, settings=SETTINGS):
    return OperationNorms(NORMALIZATIONS[name], settings).build(num_channels)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("num_channels", [1, 3, 7, 16, 64])
@pytest.mark.parametrize("shape", [(2, 5, 4), (1, 1, 1), (3, 1, 1), (1, 2, 2)], ids=str)
def test_every_norm_takes_every_shape(name, num_channels, shape):
    batch, height, width = shape
    norm = build(name, num_channels)
    images = torch.randn(batch, num_channels, height, width, requires_grad=True)
    for training in (True, False):
        result = norm.train(training)(images)
        assert result.shape == images.shape
        assert result.isfinite().all()
        result.square().sum().backward()
        assert images.grad.isfinite().all()


@pytest.mark.parametrize("name", ["bn", "ibn"])
def test_batch_statistics_replace_running_ones_in_evaluation(name):
    norm, images = build(name, 4), torch.randn(8, 4, 3, 3) + 1
    expected = norm(images)
    assert not torch.allclose(norm.eval()(images), expected)
    use_batch_statistics(norm)
    torch.testing.assert_close(norm(images), expected)
    single = norm(images[:1, :, :1, :1])
    assert torch.equal(single[:, 2:], torch.zeros(1, 2, 1, 1))  # no variance: the shift, which is 0


def test_batch_norm_of_single_values_uses_running_statistics_and_keeps_them():
    norm = BatchNorm(2, momentum=0.5)
    norm(torch.randn(8, 2, 3, 3) + 1)
    mean = norm.running_mean.clone()
    image = torch.randn(1, 2, 1, 1)
    training = norm(image)
    torch.testing.assert_close(training, norm.eval()(image))
    assert torch.equal(norm.running_mean, mean)


def test_batch_norm_is_torchs():
    ours, torchs = BatchNorm(4, momentum=0.3), nn.BatchNorm2d(4, momentum=0.3)
    for _ in range(3):
        images = torch.randn(2, 4, 3, 3)
        torch.testing.assert_close(ours(images), torchs(images))
    torch.testing.assert_close(ours.running_var, torchs.running_var)
    torch.testing.assert_close(ours.eval()(images), torchs.eval()(images))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_is_torchs_and_keeps_the_memory_format(memory_format):
    images = torch.randn(2, 4, 3, 5).to(memory_format=memory_format)
    norm = InstanceNorm(4)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    expected = nn.functional.instance_norm(images, weight=norm.weight, bias=norm.bias)
    torch.testing.assert_close(norm(images), expected)
    assert norm(images).is_contiguous(memory_format=memory_format)


def test_instance_norm_scales_and_shifts_a_single_pixel():
    norm = InstanceNorm(3)
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 1.0)
    image = torch.randn(2, 3, 1, 1)
    torch.testing.assert_close(norm(image), 2 * image + 1)


def test_instance_batch_norm_is_its_two_halves():
    norm = InstanceBatchNorm(5, SETTINGS)
    images = torch.randn(4, 5, 3, 3)
    result = norm(images)
    torch.testing.assert_close(result[:, :2], InstanceNorm(2)(images[:, :2]))
    torch.testing.assert_close(result[:, 2:], BatchNorm(3)(images[:, 2:]))


@pytest.mark.parametrize(("ratio", "kind"), [(0.0, BatchNorm), (0.25, InstanceBatchNorm), (1.0, InstanceNorm)])
def test_ratio_of_instance_norm(ratio, kind):
    norm = build("ibn", 8, NormSettings(instance_ratio=ratio))
    assert type(norm) is kind
    if kind is InstanceBatchNorm:
        assert norm.split == (2, 6)


def test_one_channel_is_batch_norm():
    assert type(build("ibn", 1)) is BatchNorm


def test_ratio_must_be_a_share():
    with pytest.raises(ValueError, match=r"instance_ratio must be between 0 and 1, got 1\.5"):
        NormSettings(instance_ratio=1.5)


def test_placements():
    def kinds(name):
        norms = OperationNorms(NORMALIZATIONS[name], SETTINGS)
        return [type(norms.build(8)) for _ in range(3)]

    assert kinds("ibn") == [InstanceBatchNorm] * 3
    assert kinds("ibn_a") == [InstanceBatchNorm, BatchNorm, BatchNorm]
    assert kinds("ibn_b") == [BatchNorm] * 3
    assert {name for name, norm in NORMALIZATIONS.items() if norm.after} == {"ibn_b"}
    assert isinstance(NORMALIZATIONS["ibn_b"].after(8, SETTINGS), InstanceNorm)
    assert {name for name, norm in NORMALIZATIONS.items() if norm.appearance} == {"in", "ibn", "ibn_a", "ibn_b"}


@pytest.mark.parametrize(
    ("num_channels", "expected"), [(1, 1), (3, 1), (6, 3), (16, 8), (32, 16), (44, 22), (64, 32), (96, 32), (66, 22)]
)
def test_groups_divide_the_channels(num_channels, expected):
    assert num_groups(num_channels) == expected
    assert num_channels % expected == 0


@pytest.mark.parametrize(("name", "offset_matters"), [("in", False), ("bn", True)])
def test_a_constant_colour_changes_nothing_behind_instance_norm(name, offset_matters):
    norm = build(name, 3).double()
    images = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    coloured = images.clone()
    coloured[0] += torch.tensor([0.5, -0.3, 0.2]).view(3, 1, 1)
    changed = not torch.allclose(norm(images), norm(coloured), atol=1e-9)
    assert changed == offset_matters


def test_instance_norm_does_not_see_the_batch():
    images = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    for name, independent in (("in", True), ("gn", True), ("bn", False), ("ibn", False)):
        norm = build(name, 3).double().train()
        assert torch.allclose(norm(images)[:1], norm(images[:1]), atol=1e-9) == independent


def test_synchronized_batch_norm_only_with_other_members():
    assert type(build("syncbn", 4)) is BatchNorm
    with mock.patch.object(normalization, "num_members", return_value=2):
        assert type(build("syncbn", 4)) is nn.SyncBatchNorm


def test_process_group_of_one_member_gives_plain_batch_norm(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{os.fspath(tmp_path / 'store')}", rank=0, world_size=1
    )
    try:
        assert type(build("syncbn", 4)) is BatchNorm
    finally:
        torch.distributed.destroy_process_group()


def test_none_does_nothing():
    images = torch.randn(1, 3, 2, 2)
    assert build("none", 3)(images) is images
