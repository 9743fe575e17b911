"""Backbones: maps of the sizes, strides and channels that they say, for images of any size, from any source."""

import json
from dataclasses import replace

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.digits import load_digits
from nas.downstream.backbone import Backbone, build_backbone, load_backbone, start_backbone
from nas.downstream.recipe import IMAGENET_MEAN, DenseRecipe
from nas.edge_cell import EdgeCell
from nas.export.folder import export_checkpoint, export_untrained
from nas.fidelity import DataSpec, NetworkSpec
from nas.models.build import build
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.models.presets import PRESETS
from nas.models.reference.names import ReferenceNetwork
from nas.models.replace_norms import replace_norms
from nas.models.resnet import ResidualNetwork
from nas.models.stack import map_size
from search_spaces.published import PUBLISHED

SMALL = NetworkSpec(num_classes=10, image_size=8, in_channels=1, num_filters=4, num_repeats=1)
RECIPE = DenseRecipe()


def cells(norm="bn"):
    cell = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity"), norm=norm),))
    return Architecture(cell, cell)


def meta_backbone(description, spec):
    """Nothing is allocated, but the maps have the sizes that they would have."""
    with torch.device("meta"):
        return Backbone(build(description, spec).eval())


def map_sizes(backbone, length):
    """The length divided by the stride, rounded up, but for the stem of networks of cells that does not pad."""
    spec = backbone.network.spec
    if isinstance(backbone.network, ResidualNetwork) or spec.stem == "cifar":
        return tuple(-(-length // stride) for stride in backbone.strides)
    return tuple(map_size(spec, stride.bit_length() - 2, length=length) for stride in backbone.strides)


def check_maps(backbone, height, width):
    spec = backbone.network.spec
    maps = backbone(torch.empty(1, spec.in_channels, height, width, device="meta"))
    assert list(maps) == [str(level) for level in range(len(backbone.strides))]
    sizes = zip(backbone.channels, map_sizes(backbone, height), map_sizes(backbone, width), strict=True)
    assert [tuple(each.shape[1:]) for each in maps.values()] == list(sizes)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_papers_networks_say_their_maps(preset):
    spec = replace(PRESETS[preset], num_repeats=1, num_filters=8, auxiliary=False, drop_path=0.0)
    backbone = meta_backbone(PUBLISHED["nasnet-a"], spec)
    assert backbone.strides == ((8, 16, 32) if spec.stem == "imagenet" else (1, 2, 4))
    for height, width in ((spec.image_size, 97), (130, 65)):
        check_maps(backbone, height, width)


@pytest.mark.parametrize("name", PUBLISHED)
def test_cells_of_any_space_say_their_maps(name):
    changes = {"reduction_in_stage": name == "pnasnet-5", "skip_reduction_input": name == "amoebanet-a"}
    backbone = meta_backbone(PUBLISHED[name], replace(SMALL, **changes))
    check_maps(backbone, 33, 64)


@pytest.mark.parametrize("name", ["resnet18", "resnet34-c", "resnet50-d-ibn-b"])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_residual_networks_say_their_maps(name, stem):
    backbone = meta_backbone(ReferenceNetwork(name), NetworkSpec(stem=stem))
    first = 1 if stem == "cifar" else 4
    assert backbone.strides == (first, 2 * first, 4 * first, 8 * first)
    assert backbone.channels == ((256, 512, 1024, 2048) if "50" in name else (64, 128, 256, 512))
    for height, width in ((97, 130), (64, 33)):
        check_maps(backbone, height, width)


def test_cells_with_operations_on_edges_say_their_maps():
    backbone = meta_backbone(EdgeCell(("nor_conv_3x3",)), NetworkSpec(num_filters=4, num_repeats=1))
    assert (backbone.channels, backbone.strides) == ((4, 8, 16), (1, 2, 4))
    check_maps(backbone, 17, 32)
    assert not any(name.startswith(("norm", "classifier")) for name, _ in backbone.network.named_parameters())


def test_maps_are_the_rectified_outputs_of_the_stages():
    network = build(cells(), SMALL).eval()
    images = torch.randn(2, 1, 9, 11, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = [each.relu() for each in network.features(images)]
        maps = Backbone(network)(images)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(maps.values(), expected, strict=True))
    assert (expected[0] == 0).any()


def test_with_frozen_norms_resnet_50_is_torchvisions():
    backbone = build_backbone(ReferenceNetwork("resnet50"), NetworkSpec(stem="imagenet"), seed=0)
    replace_norms(backbone, "frozen_bn")
    theirs = torchvision.models.resnet50(norm_layer=FrozenBatchNorm2d)
    for name, values in backbone.network.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.5, 2, generator=torch.Generator().manual_seed(len(name)))
    theirs.load_state_dict(backbone.network.state_dict() | {f"fc.{k}": v for k, v in theirs.fc.state_dict().items()})
    getter = torchvision.models._utils.IntermediateLayerGetter(theirs, {f"layer{k}": str(k - 1) for k in range(1, 5)})
    images = torch.randn(1, 3, 65, 80)
    with torch.no_grad():
        expected, maps = getter(images), backbone(images)
    assert all(torch.equal(maps[level], expected[level]) for level in expected)
    assert sum(weight.numel() for weight in backbone.parameters()) == 23_454_912  # of the convolutions alone


def test_what_serves_classification_is_taken_off():
    spec = replace(SMALL, image_size=32, auxiliary=True, drop_path=0.5, dropout=0.5)
    for backbone in (build_backbone(cells(), spec, seed=0), Backbone(build(cells(), spec))):
        maps = backbone.train()(torch.randn(2, 1, 12, 12))
        sum(each.sum() for each in maps.values()).backward()
        names = [name for name, weight in backbone.named_parameters() if weight.grad is None]
        assert not [name for name in backbone.state_dict() if "classifier" in name or "auxiliary" in name]
        assert not names


def test_weights_are_those_of_the_seed():
    before = torch.get_rng_state()
    first, again, other = (build_backbone(cells(), SMALL, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def checkpoint(tmp_path):
    network = build(cells(), SMALL)
    with torch.no_grad():
        network.train()(torch.randn(4, 1, 8, 8))  # moves the running statistics
    save_checkpoint(tmp_path / "net.safetensors", network, data=load_digits(DataSpec()), accuracy=0.5)
    return tmp_path / "net.safetensors"


def test_a_checkpoint_and_its_export_give_the_same_backbone(checkpoint, tmp_path):
    export_checkpoint(checkpoint, tmp_path / "best")
    (tmp_path / "best" / "model.py").write_text("raise RuntimeError('it must not be run')")
    images = torch.randn(2, 1, 10, 9)
    ours, exported = load_backbone(checkpoint), load_backbone(tmp_path / "best")
    assert ours.training
    assert (len(ours.mean), len(ours.std)) == (1, 1)
    with torch.no_grad():
        for left, right in zip(ours.eval()(images).values(), exported.eval()(images).values(), strict=True):
            assert torch.equal(left, right)
    frozen = replace_norms(load_backbone(checkpoint), "frozen_bn")
    with torch.no_grad():
        torch.testing.assert_close(frozen(images)["2"], ours(images)["2"])


def test_files_that_hold_no_backbone(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load_backbone(tmp_path / "nothing")
    export_untrained(cells(), SMALL, tmp_path / "untrained")
    with pytest.raises(ValueError, match="must hold a trained network, weights"):
        load_backbone(tmp_path / "untrained")
    export_checkpoint(checkpoint, tmp_path / "best")
    description = tmp_path / "best" / "architecture.json"
    description.write_text(json.dumps(cells("gn").to_json()))
    with pytest.raises(ValueError, match=r"architecture\.json must describe the network of weights\.safetensors"):
        load_backbone(tmp_path / "best")
    description.write_text("{")
    with pytest.raises(ValueError, match="does not hold an architecture"):
        load_backbone(tmp_path / "best")


def test_a_training_starts_from_initial_or_from_given_weights(checkpoint):
    def start(architecture=cells(), spec=SMALL, recipe=RECIPE, *, norm=None, source=str(checkpoint)):  # noqa: B008
        return start_backbone(architecture, spec, recipe, start=source, norm=norm, seed=3)

    def stem(backbone):
        return backbone.network.state_dict()["stem.0.weight"]

    assert torch.equal(stem(start(source=None)), stem(build_backbone(cells(), SMALL, seed=3)))
    assert torch.equal(stem(start(norm="frozen_bn")), stem(load_backbone(checkpoint)))
    assert start(spec=replace(SMALL, num_classes=3, image_size=64, dropout=0.5)).strides
    with pytest.raises(ValueError, match="norm frozen_bn needs the statistics of a trained backbone, got none"):
        start(norm="frozen_bn", source=None)
    with pytest.raises(ValueError, match="norm frozen_bn needs the statistics of a trained backbone, got none"):
        start(spec=replace(SMALL, norm="frozen_bn"), source=None)
    with pytest.raises(ValueError, match="must hold weights of the architecture"):
        start(cells("gn"))
    with pytest.raises(ValueError, match="must hold weights of the network that the section network describes"):
        start(spec=replace(SMALL, num_filters=8))
    assert start(source=None).mean == IMAGENET_MEAN
    assert start().mean == load_checkpoint(checkpoint).mean
    given = replace(RECIPE, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    for source in (None, str(checkpoint)):  # equal input from scratch and pre-trained
        backbone = start(recipe=given, source=source)
        assert (backbone.mean, backbone.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = build(cells(), SMALL)
    with torch.no_grad():
        network.classifier.bias[0] = float("nan")
    save_checkpoint(tmp_path / "net.safetensors", network, data=load_digits(DataSpec()), accuracy=0.5)
    with pytest.raises(ValueError, match=r"the weights of .*net\.safetensors must be finite, classifier\.bias is not"):
        load_backbone(tmp_path / "net.safetensors")


def test_a_backbone_trained_with_group_norm_is_taken_over_as_it_is(tmp_path):
    description, spec = ReferenceNetwork("resnet18"), NetworkSpec(norm="gn", stem="imagenet", in_channels=1)
    network = build(description, spec)
    save_checkpoint(tmp_path / "gn.safetensors", network, data=load_digits(DataSpec()), accuracy=None)
    backbone = start_backbone(description, spec, RECIPE, start=str(tmp_path / "gn.safetensors"), norm="gn", seed=0)
    norms = [part for part in backbone.modules() if isinstance(part, nn.GroupNorm)]
    replace_norms(backbone, "gn")  # as a detector does
    assert [part for part in backbone.modules() if isinstance(part, nn.GroupNorm)] == norms
    assert len(norms) == 20
    assert torch.equal(backbone.network.conv1.weight, network.conv1.weight)
    with pytest.raises(ValueError, match="weights of the network that the section network describes"):
        start_backbone(
            description, replace(spec, norm="bn"), RECIPE, start=str(tmp_path / "gn.safetensors"), norm=None, seed=0
        )
