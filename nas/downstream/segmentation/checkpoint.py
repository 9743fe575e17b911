"""A trained segmenter in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import nn

from nas.downstream.backbone import Backbone, build_backbone
from nas.downstream.checkpoint import Description, load_network, save_network
from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.networks import Segmenter, build_segmenter
from nas.downstream.segmentation.settings import HeadSpec

FORMAT = "nas-engine segmenter 1"


@dataclass(frozen=True, slots=True)
class SegmenterDescription(Description):
    """Describes a segmenter without its weights, see `Description`.

    Attributes:
        head: on the backbone.
        classes: that the segmenter tells apart.
        sides: shorter side to which images are resized, and largest longer side, in pixels.
    """

    head: HeadSpec
    classes: Classes
    sides: tuple[int, int]

    def build(self, *, seed: int, backbone: Backbone | None = None) -> Segmenter:
        """Builds the segmenter; see `Description.build`."""
        backbone = backbone or build_backbone(self.architecture, self.network, seed=seed)
        return build_segmenter(backbone, len(self.classes), self.head, seed=seed)


def save_segmenter(path: Path, network: nn.Module, description: SegmenterDescription) -> None:
    """Writes a segmenter to a safetensors file, atomically."""
    save_network(path, network, FORMAT, description.to_json())


def load_segmenter(path: Path) -> tuple[Segmenter, SegmenterDescription]:
    """Rebuilds a segmenter, on the CPU and in evaluation mode, and its description from a file of `save_segmenter`.

    Raises:
        ValueError: if the file is missing or not a segmenter, or its weights do not match its description.
    """
    network, description = load_network(path, FORMAT, SegmenterDescription.from_json)
    return cast("Segmenter", network), description
