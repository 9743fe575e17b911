"""Teachers for knowledge distillation: a checkpoint, or a pretrained network of torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from nas.data.data_set import DataSet
from nas.models.checkpoint import load_checkpoint

TORCHVISION = "torchvision:"
Statistics: TypeAlias = tuple[Sequence[float], Sequence[float]]


class Teacher(nn.Module):
    """Wraps a network for images normalized with other constants than its own.

    `own` holds the per-channel mean and standard deviation it was trained with, `given` those of its inputs.
    """

    def __init__(self, network: nn.Module, *, own: Statistics, given: Statistics) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(requires_grad=False)
        (mean, std), (given_mean, given_std) = (
            [torch.tensor(each).view(-1, 1, 1) for each in pair] for pair in (own, given)
        )
        self.register_buffer("scale", given_std / std)
        self.register_buffer("shift", (given_mean - mean) / std)
        self.scale: Tensor
        self.shift: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Maps images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.network(images * self.scale + self.shift)
        return logits


def load_teacher(name: str, data: DataSet) -> Teacher:
    """Loads a teacher for a data set, whose classes must be those of the teacher.

    The name is the path of a checkpoint, or e.g. ``torchvision:resnet50`` for the best published weights of that
    network, which torchvision downloads.

    Raises:
        ValueError: if the network is unknown, or was trained for other classes or channels.
        RuntimeError: if the weights cannot be downloaded.
    """
    given = (data.mean, data.std)
    if name.startswith(TORCHVISION):
        network, own, num_classes = _from_torchvision(name.removeprefix(TORCHVISION))
        if num_classes != len(data.class_names):
            raise ValueError(f"{name} has {num_classes} classes, but the data set has {len(data.class_names)}")
    else:
        checkpoint = load_checkpoint(name)
        network, own = checkpoint.network, (checkpoint.mean, checkpoint.std)
        if checkpoint.class_names != data.class_names:
            raise ValueError(
                f"the teacher {name} must have the classes {', '.join(data.class_names):.100}, "
                f"got {', '.join(checkpoint.class_names):.100}"
            )
    if len(own[0]) != data.num_channels:
        raise ValueError(f"the teacher {name} needs images of {len(own[0])} channels, got {data.num_channels}")
    return Teacher(network, own=own, given=given)


def _from_torchvision(name: str) -> tuple[nn.Module, Statistics, int]:
    from torchvision.models import get_model, get_model_weights, list_models

    if name not in list_models():
        raise ValueError(f"the teacher must be a network of torchvision such as resnet50, got {name!r:.60}")
    weights = get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
    try:
        network: nn.Module = get_model(name, weights=weights)
    except OSError as error:
        raise RuntimeError(f"the weights of torchvision's {name} cannot be downloaded: {error}") from None
    transforms = weights.transforms()
    return network, (transforms.mean, transforms.std), len(weights.meta["categories"])
