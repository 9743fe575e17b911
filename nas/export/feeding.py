"""What an exported network must be given: normalization, sizes and class names, for cards and metadata of programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas.models.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Feeding:
    """What a network must be given, as plain data.

    Attributes:
        mean: per-channel mean that is subtracted from values from 0 to 1.
        std: per-channel standard deviation, by which the difference is divided.
        class_names: names of the classes, in the order of the logits.
        resize: shorter side in pixels to which an image is resized (bilinear, antialiased) before the crop.
        crop: side in pixels of the center crop that the network is given.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    resize: int
    crop: int

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Feeding:
        """Reads it from a checkpoint; one without an evaluation, as of a search, was trained on images of its size."""
        size = checkpoint.network.spec.image_size
        resize, crop = (checkpoint.evaluation.get(name) for name in ("resize", "crop"))
        return cls(checkpoint.mean, checkpoint.std, checkpoint.class_names, resize or size, crop or size)

    def to_metadata(self, *, inside: bool) -> dict[str, str]:
        """Returns the metadata of a program: JSON by name. `inside` says whether the program itself normalizes."""
        values: Mapping[str, Any] = {**asdict(self), "values": [0, 1], "normalization_inside": inside}
        return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}


class Normalized(nn.Module):
    """A network that is given values from 0 to 1 and normalizes them itself."""

    def __init__(self, network: nn.Module, feeding: Feeding) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(feeding.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(feeding.std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Any:  # noqa: ANN401 - whatever the network returns
        """Maps images (N, C, H, W) with values from 0 to 1 to the outputs of the network."""
        return self.network((images - self.mean) / self.std)
