"""Networks that others learn from: a checkpoint of ours, or one of torchvision's with its published weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.data.data_set import DataSet
from nas.models.checkpoint import load_checkpoint

TORCHVISION = "torchvision:"


class Teacher(nn.Module):
    """A network that reads images as another one gets them: normalized with other numbers than its own.

    Args:
        network: gives logits.
        own: mean and deviation of each channel that the network was trained with, where white is 1.
        given: those that images come with.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        own: tuple[Sequence[float], Sequence[float]],
        given: tuple[Sequence[float], Sequence[float]],
    ) -> None:
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
    """Loads a teacher for the images of a data set.

    Args:
        name: the file of a checkpoint, or ``torchvision:resnet50`` for the best weights published with that network,
            which torchvision downloads.
        data: its classes must be those that the teacher knows.

    Raises:
        ValueError: if there is no such network, or it was trained for other classes or channels.
        RuntimeError: if weights cannot be downloaded.
    """
    given = (data.mean, data.std)
    if name.startswith(TORCHVISION):
        network, own, num_classes = _from_torchvision(name.removeprefix(TORCHVISION))
        if num_classes != len(data.class_names):
            raise ValueError(f"{name} knows {num_classes} classes, the images have {len(data.class_names)}")
    else:
        checkpoint = load_checkpoint(name)
        network, own = checkpoint.network, (checkpoint.mean, checkpoint.std)
        if checkpoint.class_names != data.class_names:
            raise ValueError(
                f"the teacher {name} must know the classes {', '.join(data.class_names):.100}, "
                f"got {', '.join(checkpoint.class_names):.100}"
            )
    if len(own[0]) != data.num_channels:
        raise ValueError(f"the teacher {name} takes images of {len(own[0])} channels, got {data.num_channels}")
    return Teacher(network, own=own, given=given)


def _from_torchvision(name: str) -> tuple[nn.Module, tuple[Sequence[float], Sequence[float]], int]:
    from torchvision.models import get_model, get_model_weights, list_models

    if name not in list_models():
        raise ValueError(f"torchvision has no network {name!r:.60}; resnet50 is one that it has")
    weights = get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
    try:
        network: nn.Module = get_model(name, weights=weights)
    except OSError as error:
        raise RuntimeError(f"the weights of torchvision's {name} cannot be downloaded: {error}") from None
    transforms = weights.transforms()
    return network, (transforms.mean, transforms.std), len(weights.meta["categories"])
