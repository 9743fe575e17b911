"""Norms in place of others: what they compute, what they keep, and what stays."""

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from nas.models.normalization import (
    NORMALIZATIONS,
    BatchNorm,
    GroupNorm,
    InstanceBatchNorm,
    InstanceNorm,
    NormSettings,
)
from nas.models.replace_norms import REPLACEMENTS, replace_norms
from nas.models.sync_norm import SyncBatchNorm

KINDS = {"frozen_bn": FrozenBatchNorm2d, "bn": BatchNorm, "gn": GroupNorm, "syncbn": SyncBatchNorm}


def images():
    return torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(0))


def moved(norm):
    """A norm whose parameters and statistics are not the initial ones."""
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, 6))
        norm.bias.copy_(torch.linspace(-1, 1, 6))
        norm.running_mean.copy_(torch.linspace(-2, 2, 6))
        norm.running_var.copy_(torch.linspace(0.1, 3, 6))
    return norm


@pytest.mark.parametrize("norm", KINDS)
@pytest.mark.parametrize("old", [BatchNorm, nn.BatchNorm2d, nn.SyncBatchNorm, SyncBatchNorm, FrozenBatchNorm2d])
def test_scale_shift_and_statistics_are_kept(norm, old):
    before = moved(old(6, eps=0.01)).eval()
    weight, expected = before.weight.detach().clone(), before(images())
    after = replace_norms(nn.Sequential(before), norm)[0]
    assert type(after) is KINDS[norm]
    assert after.eps == 0.01
    assert not after.training
    assert torch.equal(after.weight, weight)
    if norm != "gn":
        torch.testing.assert_close(after(images()), expected)
    if norm != "frozen_bn":
        assert all(isinstance(value, nn.Parameter) for value in (after.weight, after.bias))


def test_a_frozen_norm_stays_the_same_in_training():
    before = moved(BatchNorm(6)).eval()
    expected = before(images())
    after = replace_norms(before, "frozen_bn").train()
    torch.testing.assert_close(after(images()), expected)
    assert not list(after.parameters())


def test_a_group_norm_has_its_own_scale():
    after = replace_norms(moved(BatchNorm(6)), "gn")
    groups = nn.functional.group_norm(images(), 3, torch.linspace(0.5, 2, 6), torch.linspace(-1, 1, 6), 1e-5)
    assert torch.equal(after(images()), groups)


def test_group_norms_are_replaced_where_no_statistics_are_needed():
    assert type(replace_norms(nn.GroupNorm(2, 6), "bn")) is BatchNorm
    kept = nn.GroupNorm(2, 6)
    assert replace_norms(kept, "gn") is kept
    with pytest.raises(ValueError, match="needs the statistics of a batch norm, got a group norm"):
        replace_norms(nn.Sequential(nn.GroupNorm(2, 6)), "frozen_bn")


def test_what_is_right_already_stays_itself():
    for name, kind in KINDS.items():
        if name != "gn":
            norm = kind(6)
            assert replace_norms(norm, name) is norm


def test_momentum_and_trained_parameters_stay():
    before = nn.BatchNorm2d(6, momentum=0.3)
    before.weight.requires_grad_(requires_grad=False)
    after = replace_norms(before, "bn")
    assert after.momentum == 0.3
    assert after.weight is before.weight
    assert not after.weight.requires_grad
    assert replace_norms(nn.BatchNorm2d(6, affine=False, track_running_stats=False), "gn").weight.shape == (6,)
    assert replace_norms(nn.BatchNorm2d(6, affine=False, track_running_stats=False), "bn").weight.shape == (6,)


def test_instance_norms_stay_and_mixed_ones_change_their_batch_part():
    mixed, whole = InstanceBatchNorm(6, NormSettings()), InstanceNorm(6)
    network = replace_norms(nn.Sequential(mixed, nn.Sequential(whole)), "gn")
    assert network[0] is mixed
    assert network[1][0] is whole
    assert type(mixed.instance) is InstanceNorm
    assert type(mixed.batch) is GroupNorm
    assert mixed(images()).shape == (4, 6, 5, 5)


@pytest.mark.parametrize("norm", KINDS)
def test_it_works_where_nothing_is_allocated(norm):
    with torch.device("meta"):
        network = nn.Sequential(nn.BatchNorm2d(6))
    assert replace_norms(network, norm)[0].weight.is_meta


def test_norms_come_from_the_table_without_those_that_an_architecture_places():
    assert set(REPLACEMENTS) == {"frozen_bn"} | {name for name, norm in NORMALIZATIONS.items() if not norm.appearance}
    assert type(replace_norms(nn.Sequential(nn.BatchNorm2d(6)), "none")[0]) is nn.Identity


def test_an_unknown_norm():
    with pytest.raises(ValueError, match="must be among frozen_bn, bn, gn, syncbn, none, got 'ln'"):
        replace_norms(nn.Sequential(), "ln")
