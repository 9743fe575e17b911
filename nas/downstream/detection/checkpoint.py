"""A trained detector in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import nn
from torchvision.models.detection import FasterRCNN

from nas.downstream.backbone import Backbone, build_backbone
from nas.downstream.checkpoint import Description, load_network, save_network
from nas.downstream.detection.networks import build_detector
from nas.downstream.detection.settings import DetectorSettings, ImageForm

FORMAT = "nas-engine detector 1"


@dataclass(frozen=True, slots=True)
class DetectorDescription(Description):
    """Describes a detector without its weights, see `Description`.

    Attributes:
        detector: pyramid and heads.
        form: how images are preprocessed, and the categories.
    """

    detector: DetectorSettings
    form: ImageForm

    def build(self, *, seed: int, backbone: Backbone | None = None) -> FasterRCNN:
        """Builds the detector; see `Description.build`."""
        backbone = backbone or build_backbone(self.architecture, self.network, seed=seed)
        return build_detector(backbone, self.detector, self.form, seed=seed)


def save_detector(path: Path, network: nn.Module, description: DetectorDescription) -> None:
    """Writes a detector to a safetensors file, atomically."""
    save_network(path, network, FORMAT, {"description": description.to_json()})


def load_detector(path: Path) -> tuple[FasterRCNN, DetectorDescription]:
    """Rebuilds a detector, on the CPU and in evaluation mode, and its description from a file of `save_detector`.

    Raises:
        ValueError: if the file is missing or not a detector, or its weights do not match its description.
    """
    network, description = load_network(
        path, FORMAT, lambda metadata: DetectorDescription.from_json(metadata.get("description", {}))
    )
    return cast("FasterRCNN", network), description
