"""Networks as backbones of detectors and segmenters: the outputs of their stages."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.downstream.output_stride import set_output_stride
from nas.downstream.recipe import IMAGENET_MEAN, IMAGENET_STD, DenseRecipe
from nas.export.model_source import WEIGHTS_FILE
from nas.fidelity import NetworkSpec
from nas.files.guarded_read import read_json
from nas.models.build import AnyNetwork, build
from nas.models.checkpoint import Checkpoint, load_checkpoint
from nas.models.edge_network import EdgeNetwork
from nas.models.network import Network
from nas.models.reference.descriptions import Buildable, description_from_json
from nas.models.reference.wrapped import WrappedNetwork
from nas.models.resnet import ResidualNetwork
from nas.training.transfer import FREE_SETTINGS

ARCHITECTURE_FILE = "architecture.json"
_TRAINED_FILES = (WEIGHTS_FILE, "network.safetensors")


class Backbone(nn.Module):
    """A network that returns the rectified outputs of its stages.

    Removes the network's classifier, auxiliary head, dropout and drop path, which serve classification only.

    Args:
        network: becomes part of this module, changed in place.
        mean: of each channel of the images, on a scale where white is 1, for normalization.
        std: standard deviations, likewise.

    Attributes:
        channels: of each map, from the finest to the coarsest.
        strides: of each map, in pixels of the image.
    """

    def __init__(
        self, network: AnyNetwork, *, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.channels, self.strides = _shapes(network)
        self.network = network
        _remove_heads(network)

    def set_output_stride(self, output_stride: int) -> None:
        """Removes larger strides of the last stages; see `nas.downstream.output_stride.set_output_stride`."""
        self.strides = set_output_stride(self.network, self.strides, output_stride)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Computes the maps of all stages of images (N, in_channels, H, W).

        Returns:
            Maps (N, channels[level], h, w) by level, from ``"0"``, the finest; h and w are H and W divided by
            strides[level] and rounded up, or one less behind the ``imagenet`` stem of networks of cells.
        """
        maps = self.network.features(images)
        if isinstance(self.network, Network | EdgeNetwork):  # outputs of reference networks are rectified already
            maps = [torch.relu(each) for each in maps]
        return {str(level): each for level, each in enumerate(maps)}


def build_backbone(description: Buildable, spec: NetworkSpec, *, seed: int) -> Backbone:
    """Builds a backbone with initial weights, without changing torch's global generator.

    Settings of the classifier and of regularization are ignored.

    Raises:
        ValueError: if the architecture names an unknown operation or norm.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        network = build(description, replace(spec, auxiliary=False, drop_path=0.0, dropout=0.0))
    return Backbone(network)


def start_backbone(
    description: Buildable, spec: NetworkSpec, recipe: DenseRecipe, *, start: str | None, norm: str | None, seed: int
) -> Backbone:
    """Builds the backbone that a training starts from.

    Args:
        description: cells of any space, or a reference network.
        spec: the network around it.
        recipe: sets the normalization of images, `DenseRecipe.mean` and `DenseRecipe.std`, if it has one.
        start: a trained classifier whose weights are used, see `load_backbone`; None draws initial weights.
        norm: that will replace the norms of the backbone.
        seed: of the initial weights.

    Raises:
        ValueError: if the classifier is another network, or ``frozen_bn`` is to freeze initial statistics.
    """
    backbone = _initial(description, spec, norm, seed) if start is None else _trained(description, spec, start)
    if recipe.mean is not None and recipe.std is not None:
        backbone.mean, backbone.std = recipe.mean, recipe.std
    return backbone


def load_backbone(source: Path) -> Backbone:
    """Loads the backbone of a trained classifier, in training mode.

    Args:
        source: a checkpoint, or the folder of an export or a training. Source code in the folder is not run.

    Raises:
        ValueError: if there is no trained network, or the files of the folder do not match.
    """
    path = trained_file(source)
    checkpoint = load_checkpoint(path)
    if path != source and (described := source / ARCHITECTURE_FILE).is_file():
        _check_description(described, checkpoint, path)
    return Backbone(checkpoint.network.train(), mean=checkpoint.mean, std=checkpoint.std)


def trained_file(source: Path) -> Path:
    """Returns the file of weights in the folder of an export or a training; a path to a file is returned as it is.

    Raises:
        ValueError: if it is a folder without weights.
    """
    if not source.is_dir():
        return source
    path = next((source / name for name in _TRAINED_FILES if (source / name).is_file()), None)
    if path is None:
        raise ValueError(f"{source} must hold a trained network, {' or '.join(_TRAINED_FILES)}, got neither")
    return path


def weights_digest(start: str) -> str:
    """Returns the SHA-256 of a file of weights, or of the one in a folder."""
    with trained_file(Path(start)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _initial(description: Buildable, spec: NetworkSpec, norm: str | None, seed: int) -> Backbone:
    if "frozen_bn" in {norm, spec.norm}:
        raise ValueError(
            "norm frozen_bn needs the statistics of a trained backbone, got none: name one or choose another norm"
        )
    return build_backbone(description, spec, seed=seed)


def _trained(description: Buildable, spec: NetworkSpec, start: str) -> Backbone:
    backbone = load_backbone(Path(start))
    theirs, ours = backbone.network.architecture.fingerprint, description.fingerprint
    if theirs != ours:
        raise ValueError(f"{start} must hold weights of the architecture {ours[:12]}, got those of {theirs[:12]}")
    if replace(backbone.network.spec, **{name: getattr(spec, name) for name in FREE_SETTINGS}) != spec:
        raise ValueError(f"{start} must hold weights of the network that the section network describes")
    return backbone


def _check_description(described: Path, checkpoint: Checkpoint, path: Path) -> None:
    try:
        theirs = description_from_json(read_json(described)).fingerprint
    except (ValueError, OSError) as error:
        raise ValueError(f"{described} does not hold an architecture: {error}") from None
    ours = checkpoint.network.architecture.fingerprint
    if ours != theirs:
        raise ValueError(f"{described} must describe the network of {path.name}, {ours[:12]}, got {theirs[:12]}")


def _shapes(network: AnyNetwork) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns channels and strides of the stage outputs."""
    if isinstance(network, Network):
        stem = 1 if network.spec.stem == "cifar" else 2
        shapes = zip(network.shapes, network.places, strict=True)
        ends = [(shape.num_channels, stem * 2**shape.num_halvings) for shape, place in shapes if place.ends_stage]
    elif isinstance(network, WrappedNetwork):
        ends = [(unit.channels, unit.stride) for unit in network.levels()]
    elif isinstance(network, EdgeNetwork):
        ends = [(network.spec.num_filters << stage, 1 << stage) for stage in range(network.spec.num_stages)]
    else:
        stem, num_stages = 1 if network.spec.stem == "cifar" else 4, len(network.stages)
        ends = [(network.fc.in_features >> (num_stages - 1 - stage), stem << stage) for stage in range(num_stages)]
    channels, strides = zip(*ends, strict=True)
    return channels, strides


def _remove_heads(network: AnyNetwork) -> None:
    if isinstance(network, WrappedNetwork):
        network.remove_head()
        return
    network.auxiliary_head = None
    network.add_module("fc" if isinstance(network, ResidualNetwork) else "classifier", nn.Identity())
    network.add_module("dropout", nn.Identity())
    if isinstance(network, Network):
        network.drop_path = None
    if isinstance(network, EdgeNetwork):
        network.norm = nn.Identity()
