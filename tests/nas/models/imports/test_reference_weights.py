"""State dicts with the names of IBN-Net's code, torchvision and timm load, and the outputs are those of the formulas.

`Reference` computes the networks of IBN-Net's code from their state dict, with functions of torch only.
"""

import pickle

import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file
from torch import nn

from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.imports.reference_weights import count_classes, load_reference, read_state_dict
from nas.models.normalization import InstanceBatchNorm
from nas.models.reference.names import ReferenceNetwork

SPEC = NetworkSpec(num_classes=5, image_size=64, stem="imagenet")


class Reference:
    """IBN-Net's networks as formulas of a state dict with its names."""

    def __init__(self, state):
        self.state = state

    def norm(self, name, x):
        half = self.state.get(f"{name}.IN.weight")
        if half is not None:
            batch = f"{name}.BN"
            if "denselayer" in name:  # batch normalization first
                return torch.cat((self.norm(batch, x[:, : -len(half)]), self.instance(name, x[:, -len(half) :])), 1)
            return torch.cat((self.instance(name, x[:, : len(half)]), self.norm(batch, x[:, len(half) :])), 1)
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        if f"{name}.running_mean" not in self.state:
            return F.instance_norm(x, weight=weight, bias=bias)
        return F.batch_norm(x, self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"], weight, bias)

    def instance(self, name, x):
        return F.instance_norm(x, weight=self.state[f"{name}.IN.weight"], bias=self.state[f"{name}.IN.bias"])

    def conv(self, name, x, stride=1):
        weight = self.state[f"{name}.weight"]
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=groups)

    def block(self, name, x, stride):
        last = 3 if f"{name}.conv3.weight" in self.state else 2
        out = x
        for number in range(1, last + 1):
            here = stride if number == last - 1 else 1
            out = self.norm(f"{name}.bn{number}", self.conv(f"{name}.conv{number}", out, here))
            out = torch.relu(out) if number < last else out
        if f"{name}.se.fc.0.weight" in self.state:
            narrow = torch.relu(out.mean((2, 3)) @ self.state[f"{name}.se.fc.0.weight"].T)
            out = out * torch.sigmoid(narrow @ self.state[f"{name}.se.fc.2.weight"].T)[:, :, None, None]
        if f"{name}.downsample.0.weight" in self.state:
            x = self.norm(f"{name}.downsample.1", self.conv(f"{name}.downsample.0", x, stride))
        out = out + x
        return torch.relu(self.instance(name, out) if f"{name}.IN.weight" in self.state else out)

    def resnet(self, x, layers):
        x = F.max_pool2d(torch.relu(self.norm("bn1", self.conv("conv1", x, 2))), 3, 2, 1)
        for stage, number in enumerate(layers, start=1):
            for index in range(number):
                x = self.block(f"layer{stage}.{index}", x, 2 if stage > 1 and index == 0 else 1)
        return x.mean((2, 3)) @ self.state["fc.weight"].T + self.state["fc.bias"]

    def densenet(self, x, layers):
        x = F.max_pool2d(torch.relu(self.norm("features.norm0", self.conv("features.conv0", x, 2))), 3, 2, 1)
        for stage, number in enumerate(layers, start=1):
            for index in range(1, number + 1):
                layer = f"features.denseblock{stage}.denselayer{index}"
                new = self.conv(f"{layer}.conv1", torch.relu(self.norm(f"{layer}.norm1", x)))
                x = torch.cat((x, self.conv(f"{layer}.conv2", torch.relu(self.norm(f"{layer}.norm2", new)))), 1)
            if stage < 4:
                between = f"features.transition{stage}"
                x = F.avg_pool2d(self.conv(f"{between}.conv", torch.relu(self.norm(f"{between}.norm", x))), 2)
        pooled = torch.relu(self.norm("features.norm5", x)).mean((2, 3))
        return pooled @ self.state["classifier.weight"].T + self.state["classifier.bias"]


def drawn(name, spec=SPEC):
    """A network with weights and statistics that are all different, so that none can stand for another."""
    torch.manual_seed(0)
    network = build(ReferenceNetwork(name), spec).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


def their_names(network):
    """The state dict with the names of IBN-Net's code."""
    state = {}
    for name, tensor in network.state_dict().items():
        theirs = name.removeprefix("network.").replace(".block.", ".")
        theirs = theirs.replace(".instance.", ".IN.").replace(".batch.", ".BN.")
        theirs = theirs.replace(".norm.", ".IN.") if theirs.startswith("layer") else theirs
        state[f"module.{theirs}"] = tensor
    return state


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet18-ibn-a", (2, 2, 2, 2)),
        ("resnet18-ibn-b", (2, 2, 2, 2)),
        ("resnet50-ibn-b", (3, 4, 6, 3)),
        ("resnext50-32x4d-ibn-a", (3, 4, 6, 3)),
        ("seresnet50-ibn-a", (3, 4, 6, 3)),
        ("densenet121-ibn-a", (6, 12, 24, 16)),
    ],
)
@torch.no_grad()
def test_state_dicts_of_ibn_nets_code_load_and_outputs_agree(name, layers):
    source = drawn(name)
    theirs = their_names(source)
    network = build(ReferenceNetwork(name), SPEC).eval()
    load_reference(network, {key: tensor for key, tensor in theirs.items() if "num_batches" not in key})
    images = torch.randn(2, 3, 64, 64)
    reference = Reference({key.removeprefix("module."): tensor for key, tensor in theirs.items()})
    expected = (reference.densenet if name.startswith("dense") else reference.resnet)(images, layers)
    torch.testing.assert_close(network(images), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121"])
def test_state_dicts_of_torchvision_load(name, tmp_path):
    theirs = torchvision.models.get_model(name, num_classes=5).eval()
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "weights.pth")
    ours = name if name == "densenet121" else f"torchvision:{name}"
    network = build(ReferenceNetwork(ours), SPEC).eval()
    state = read_state_dict(tmp_path / "weights.pth")
    assert count_classes(state, network) == 5
    load_reference(network, state)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), theirs(images))
    first = next(iter(state))
    del state[first]
    with pytest.raises(ValueError, match=f"{ours}; 1 are missing, among them {first}$"):  # by the name in the library
        load_reference(network, state)


def test_old_names_of_dense_layers_load():
    network = drawn("densenet121")
    old = {
        name.removeprefix("network.").replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): tensor
        for name, tensor in network.state_dict().items()
    }
    load_reference(network, old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc.bias"), "1 are missing, among them fc.bias"),
        (lambda state: state.update({"fc.bias": state["fc.bias"].char()}), "fc.bias must be of the kind torch.float32"),
        (lambda state: state.update(extra=torch.ones(1)), "1 are unknown, among them extra"),
        (lambda state: state.update({"bn1.bias": torch.ones(3)}), r"bn1.bias must be of shape \(64,\), got \(3,\)"),
    ],
)
def test_weights_of_another_network_are_refused(change, message):
    network = build(ReferenceNetwork("resnet18"), SPEC)
    state = dict(network.state_dict())
    change(state)
    with pytest.raises(ValueError, match=f"the weights must be those of resnet18; {message}"):
        load_reference(network, state)


def test_a_state_dict_of_another_variant_is_refused_in_one_line():
    theirs = their_names(drawn("resnet18-ibn-b"))
    network = build(ReferenceNetwork("resnet18-ibn-a"), SPEC)
    with pytest.raises(ValueError, match=r"the weights must be those of resnet18-ibn-a; .* are missing") as raised:
        load_reference(network, theirs)
    assert "\n" not in str(raised.value)
    assert sum(isinstance(part, InstanceBatchNorm) for part in network.modules()) == 6


def test_files(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    assert read_state_dict(tmp_path / "a.safetensors")["a"].tolist() == [1, 1]
    with pytest.raises(ValueError, match="weights must be a file"):
        read_state_dict(tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="tensors by name, got something else"):
        read_state_dict(tmp_path / "list.pth")
    (tmp_path / "bad.pth").write_bytes(pickle.dumps(pytest.raises))
    with pytest.raises(ValueError, match="a state dict of torch, got"):
        read_state_dict(tmp_path / "bad.pth")
    (tmp_path / "bad.safetensors").write_bytes(b"x")
    with pytest.raises(ValueError, match="must be a safetensors file"):
        read_state_dict(tmp_path / "bad.safetensors")


def test_weights_that_are_there_twice_are_refused():
    network = build(ReferenceNetwork("resnet18"), SPEC)
    state = dict(network.state_dict())
    state["module.fc.bias"] = state["fc.bias"] + 1
    with pytest.raises(ValueError, match=r"must have names of their own, got fc.bias twice"):
        load_reference(network, state)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_weights_that_are_not_finite_are_refused(tmp_path, name):
    save = save_file if name.endswith("safetensors") else torch.save
    save({"fc.bias": torch.tensor([1.0, torch.nan])}, tmp_path / name)
    with pytest.raises(ValueError, match=f"the weights of .*{name} must be finite, fc.bias is not"):
        read_state_dict(tmp_path / name)
