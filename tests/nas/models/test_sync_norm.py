import pytest
import torch
from torch import nn

from nas.models.normalization import BatchNorm
from nas.models.sync_norm import SyncBatchNorm, synchronized


def on_cpu(norm):
    return synchronized(norm, torch.device("cpu"))


def make_norm():
    norm = BatchNorm(3, eps=1e-3, momentum=0.2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    return norm


@pytest.fixture
def images():
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))


def test_alone_it_is_batch_normalization(images):
    norm, sync = make_norm(), on_cpu(make_norm())
    assert torch.equal(sync(images), norm(images))
    assert torch.equal(sync.eval()(images), norm.eval()(images))
    assert torch.equal(sync.running_var, norm.running_var)
    assert sync.state_dict().keys() == norm.state_dict().keys()


def test_it_takes_over_parameters_and_mode():
    norm = make_norm().eval()
    sync = on_cpu(norm)
    assert type(sync) is SyncBatchNorm
    assert type(synchronized(norm, torch.device("cuda"))) is nn.SyncBatchNorm
    assert sync.weight is norm.weight
    assert not sync.training
    assert (sync.eps, sync.momentum) == (1e-3, 0.2)


def test_one_value_a_channel_is_normalized_by_running_statistics():
    sync = on_cpu(make_norm())
    single = torch.ones(1, 3, 1, 1)
    expected = make_norm().eval()(single)
    assert torch.equal(sync(single), expected)
    assert sync.running_mean.abs().max() == 0
