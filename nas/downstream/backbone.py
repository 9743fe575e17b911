"""Networks as backbones: the outputs of their stages, for what finds and outlines objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.export.model_source import WEIGHTS_FILE
from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.models.build import AnyNetwork, Buildable, build, description_from_json
from nas.models.checkpoint import Checkpoint, load_checkpoint
from nas.models.network import Network
from nas.models.replace_norms import replace_norms
from nas.models.stack import map_size

ARCHITECTURE_FILE = "architecture.json"
_TRAINED_FILES = (WEIGHTS_FILE, "network.safetensors")


class Backbone(nn.Module):
    """The pyramid of stage outputs of a network, rectified, as detectors and segmenters take them.

    Classifier, auxiliary head, dropout and drop path of the network are taken off: they serve classification.

    Args:
        network: becomes part of this module, changed in place.
        norm: what takes the place of its norms, see `nas.models.replace_norms`; None leaves them as they are.
        mean: of each channel, where white is 1, that images must be normalized with; None if the network was never
            trained.
        std: standard deviation of each channel, likewise.

    Attributes:
        channels: of each map, from the finest to the coarsest.
        strides: pixels of the image from one place of a map to the next.
    """

    def __init__(
        self,
        network: AnyNetwork,
        *,
        norm: str | None = None,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.channels, self.strides = _shapes(network)
        self.network = network
        _take_off_heads(network)
        if norm is not None:
            replace_norms(network, norm)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Computes the pyramid.

        Args:
            images: (N, in_channels, H, W), of any size.

        Returns:
            By level, from ``"0"``, the finest: maps (N, channels[level], h, w), where h and w are
            `map_sizes(H)[level]` and `map_sizes(W)[level]`.
        """
        maps = self.network.features(images)
        if isinstance(self.network, Network):  # residual networks rectify theirs
            maps = [torch.relu(each) for each in maps]
        return {str(level): each for level, each in enumerate(maps)}

    def map_sizes(self, length: int) -> tuple[int, ...]:
        """The height (or width) of each map for images of so many pixels.

        It is the length divided by the stride, rounded up. Only behind the stem ``imagenet`` of networks of cells,
        which does not pad, it can be one less.
        """
        if not isinstance(self.network, Network):
            return tuple(-(-length // stride) for stride in self.strides)
        spec = self.network.spec
        return tuple(map_size(spec, halvings, length=length) for _, halvings in _ends_of_stages(self.network))


def build_backbone(description: Buildable, spec: NetworkSpec, *, norm: str | None = None, seed: int) -> Backbone:
    """Builds a backbone with initial weights; torch's own generator is left as it was.

    Args:
        description: cells of any space, or a reference network.
        spec: the network around them; what it says of the classifier and of training is left out.
        norm: see `Backbone`.
        seed: of the weights.

    Raises:
        ValueError: if the architecture names an operation or a norm that does not exist, or the norm is unknown.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        network = build(description, replace(spec, auxiliary=False, drop_path=0.0, dropout=0.0))
    return Backbone(network, norm=norm)


def load_backbone(source: Path, *, norm: str | None = None) -> Backbone:
    """Takes the backbone out of a trained network.

    Args:
        source: a checkpoint, or a folder that was exported or trained in. Of an exported folder the weights and the
            description are read; its source code is not run.
        norm: see `Backbone`.

    Returns:
        The backbone, in training mode.

    Raises:
        ValueError: if there is no trained network, or its files do not belong together.
    """
    path = trained_file(source)
    checkpoint = load_checkpoint(path)
    if not all(bool(value.isfinite().all()) for value in checkpoint.network.parameters()):
        raise ValueError(f"the weights in {path} must be finite numbers; the file is damaged, or its training diverged")
    if path != source and (described := source / ARCHITECTURE_FILE).is_file():
        _check_description(described, checkpoint, path)
    return Backbone(checkpoint.network.train(), norm=norm, mean=checkpoint.mean, std=checkpoint.std)


def trained_file(source: Path) -> Path:
    """The file of weights that a path stands for: itself, or that of a folder that was exported or trained in.

    Raises:
        ValueError: if it is a folder without one.
    """
    if not source.is_dir():
        return source
    path = next((source / name for name in _TRAINED_FILES if (source / name).is_file()), None)
    if path is None:
        raise ValueError(f"{source} must hold a trained network, {' or '.join(_TRAINED_FILES)}; there is neither")
    return path


def _check_description(described: Path, checkpoint: Checkpoint, path: Path) -> None:
    try:
        description = description_from_json(parse_json(described.read_bytes()))
    except (ValueError, OSError) as error:
        raise ValueError(f"{described} does not hold an architecture: {error}") from None
    ours, theirs = checkpoint.network.architecture.fingerprint, description.fingerprint
    if ours != theirs:
        raise ValueError(f"{described} must describe the network of {path.name}, {ours[:12]}, got {theirs[:12]}")


def _shapes(network: AnyNetwork) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and strides of the stage outputs."""
    if isinstance(network, Network):
        stem = 1 if network.spec.stem == "cifar" else 2
        ends = _ends_of_stages(network)
        return tuple(channels for channels, _ in ends), tuple(stem * 2**halvings for _, halvings in ends)
    scales = [2**stage for stage in range(len(network.stages))]
    widest = network.fc.in_features
    stem = 1 if network.spec.stem == "cifar" else 4
    return tuple(widest // scale for scale in reversed(scales)), tuple(stem * scale for scale in scales)


def _ends_of_stages(network: Network) -> list[tuple[int, int]]:
    """Channels of the last cell of each stage, and how often its map was halved behind the stem."""
    return [
        (shape.num_channels, shape.num_halvings)
        for shape, place in zip(network.shapes, network.places, strict=True)
        if place.ends_stage
    ]


def _take_off_heads(network: AnyNetwork) -> None:
    network.auxiliary_head = None
    network.add_module("classifier" if isinstance(network, Network) else "fc", nn.Identity())
    network.add_module("dropout", nn.Identity())
    if isinstance(network, Network):
        network.drop_path = None
