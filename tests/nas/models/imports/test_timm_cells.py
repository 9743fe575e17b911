from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from timm.models.nasnet import NASNetALarge
from timm.models.pnasnet import PNASNet5Large

from nas.models.imports.timm_cells import describe_timm, load_timm
from nas.models.network import build_network
from search_spaces.published import PUBLISHED


def with_random_statistics(model):
    """Every norm gets scales and statistics of its own, so that none can be taken for another.

    The statistics stay near the true ones: with any others the signal dies out, and all images give the same logits.
    """
    generator = torch.Generator().manual_seed(0)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.normal_(0, 0.2, generator=generator)
            norm.momentum = 1.0
            norm.reset_running_stats()  # memory that was never written may hold nan, and 0 * nan is nan
        model.train()(torch.randn(4, 3, 75, 75, generator=generator))
        for norm in norms:
            norm.running_mean.add_(torch.randn(norm.num_features, generator=generator), alpha=0.1)
            norm.running_var.mul_(torch.rand(norm.num_features, generator=generator).add_(0.5))
    return model.eval()


def nasnet():
    """A narrow one: the same cells with 8 filters in place of 168."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return with_random_statistics(NASNetALarge(num_classes=7, stem_size=12, num_features=24 * 8))


@pytest.fixture(scope="module")
def narrow_nasnet():
    return nasnet()


def import_model(state_dict, **changes):
    model = describe_timm(state_dict)
    network = build_network(PUBLISHED[model.architecture], replace(model.spec, **changes)).eval()
    load_timm(network, state_dict)
    return network


def difference(model, network, image_size):
    images = torch.randn(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(images)
        assert (expected[0] - expected[1]).abs().max() > 0.01 * expected.abs().max()
        return ((network(images) - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("image_size", [96, 107])
def test_nasnet_logits_agree(narrow_nasnet, image_size):
    model = describe_timm(narrow_nasnet.state_dict())
    assert model.architecture == "nasnet-a"
    assert (model.spec.num_classes, model.spec.num_filters, model.spec.stem_filters) == (7, 8, 12)
    network = import_model(narrow_nasnet.state_dict())
    assert difference(narrow_nasnet, network, image_size) < 1e-5


def test_timms_average_pools_count_padding(narrow_nasnet):
    network = import_model(narrow_nasnet.state_dict(), average_counts_padding=False)
    assert difference(narrow_nasnet, network, 107) > 1e-4


def test_pnasnet_logits_agree():
    with torch.device("meta"):
        model = PNASNet5Large(num_classes=3, pad_type="same")
    model = model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
    model = with_random_statistics(model)
    assert describe_timm(model.state_dict()).architecture == "pnasnet-5"
    network = import_model(model.state_dict())
    assert difference(model, network, 75) < 1e-5


def test_other_weights_are_refused(narrow_nasnet):
    with pytest.raises(ValueError, match="must be a state dict of timm's nasnetalarge or pnasnet5large"):
        describe_timm({"features.0.weight": torch.zeros(1)})
    weights = narrow_nasnet.state_dict()
    del weights["last_linear.weight"]
    with pytest.raises(ValueError, match=r"must have last_linear\.weight"):
        describe_timm(weights)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("conv0.conv.weight", (), r"conv0\.conv\.weight must be a tensor of 4 dimensions, got one of shape \(\)"),
        ("conv0.conv.weight", (12,), r"conv0\.conv\.weight must be a tensor of 4 dimensions, got .* \(12,\)"),
        ("conv0.conv.weight", (12, 4, 3, 3), r"conv0\.conv\.weight must read 1 to 3 channels, got 4"),
        ("last_linear.weight", (), r"last_linear\.weight must be a tensor of 2 dimensions"),
        ("last_linear.weight", (1, 8), "^the shapes of the weights must be .*; num_classes: [^\n]* 2$"),
        ("cell_0.conv_1x1.conv.weight", (7,), r"cell_0\.conv_1x1\.conv\.weight must be a tensor of 4 dimensions"),
        ("cell_0.conv_1x1.conv.weight", (7, 3, 1, 1), "; num_filters must be divisible by 4 [^\n]* got 7$"),
    ],
)
def test_shapes_that_no_network_has_are_named(narrow_nasnet, name, shape, message):
    with pytest.raises(ValueError, match=message):
        describe_timm({**narrow_nasnet.state_dict(), name: torch.zeros(shape)})


def test_weights_must_fit(narrow_nasnet):
    weights = dict(narrow_nasnet.state_dict())
    network = import_model(weights)
    with pytest.raises(ValueError, match=r"1 weights are not part of this network, among them cells\.2\.other"):
        load_timm(network, {**weights, "cell_0.other": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"classifier\.bias must be of shape \(7,\), got \(5,\)"):
        load_timm(network, {**weights, "last_linear.bias": torch.zeros(5)})
    del weights["conv0.bn.bias"]
    with pytest.raises(ValueError, match=r"1 weights are missing, among them stem\.1\.bias"):
        load_timm(network, weights)
