"""Files of detectors and segmenters: what they share; the rest is tested beside each."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.backbone import build_backbone
from nas.downstream.checkpoint import Description, load_network, save_network
from nas.fidelity import NetworkSpec

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))


@dataclass(frozen=True, slots=True)
class ToyDescription(Description):
    sizes: tuple[int, int]

    def build(self, *, seed, backbone=None):
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed)
            return nn.Sequential(
                backbone or build_backbone(self.architecture, self.network, seed=seed), nn.Linear(*self.sizes)
            )


TOY = ToyDescription(Architecture(CELL, CELL), NetworkSpec(num_filters=4, num_repeats=1, num_stages=1), (3, 4))


def test_a_network_comes_back_without_memory_for_initial_weights(tmp_path):
    network = TOY.build(seed=1)
    save_network(tmp_path / "toy.safetensors", network, "toy 1", TOY.to_json())
    again, told = load_network(tmp_path / "toy.safetensors", "toy 1", ToyDescription.from_json)
    assert told == TOY
    assert not again.training
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in again.state_dict().items())
    assert all(isinstance(weight, nn.Parameter) and weight.requires_grad for weight in again.parameters())


def test_weights_that_do_not_match_are_refused_by_name(tmp_path):
    path = tmp_path / "toy.safetensors"
    save_network(path, TOY.build(seed=1), "toy 1", replace(TOY, sizes=(3, 5)).to_json())
    message = (
        r"toy\.safetensors does not hold a network that can be rebuilt: its weights do not match its description: "
    )
    with pytest.raises(ValueError, match=message + r"1\.bias must be \[5\], got \[4\]"):
        load_network(path, "toy 1", ToyDescription.from_json)
    with pytest.raises(ValueError, match="must be a toy 2, got 'toy 1'"):
        load_network(path, "toy 2", ToyDescription.from_json)


def test_descriptions_are_validated():
    value = TOY.to_json()
    assert ToyDescription.from_json(value) == TOY
    with pytest.raises(ValueError, match="its description is not valid: sizes: Field required"):
        ToyDescription.from_json({name: value[name] for name in ("architecture", "network")})
    with pytest.raises(ValueError, match="its description is not valid: sizes: 0: Input should be a valid integer"):
        ToyDescription.from_json({**value, "sizes": ["a", 3]})
