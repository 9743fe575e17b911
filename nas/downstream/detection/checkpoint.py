"""A trained detector in one file: weights, and all that is needed to build it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from nas.downstream.backbone import Backbone, build_backbone
from nas.downstream.detection.networks import build_detector
from nas.downstream.detection.settings import DetectorSettings, PictureForm
from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.models.build import Buildable, description_from_json
from nas.models.checkpoint import read_tensors, write_tensors

FORMAT = "nas-engine detector 1"


@dataclass(frozen=True, slots=True)
class DetectorDescription:
    """All of a detector but its weights.

    Attributes:
        architecture: of the backbone.
        network: the backbone around it.
        detector: what stands around the backbone.
        form: which pictures it takes, and what it names in them.
    """

    architecture: Buildable
    network: NetworkSpec
    detector: DetectorSettings
    form: PictureForm

    def build(self, *, seed: int, backbone: Backbone | None = None) -> FasterRCNN:
        """Builds the detector.

        Args:
            seed: of its weights.
            backbone: becomes part of it; None builds one.

        Raises:
            ValueError: if the architecture is none, or the strides of the backbone do not fit a pyramid.
        """
        if backbone is None:
            backbone = build_backbone(self.architecture, self.network, seed=seed)
        return build_detector(backbone, self.detector, self.form, seed=seed)

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        parts = {name: adapter.dump_python(getattr(self, name), mode="json") for name, adapter in _PARTS.items()}
        return {"architecture": self.architecture.to_json(), **parts}

    @classmethod
    def from_json(cls, value: Any) -> DetectorDescription:  # noqa: ANN401 - whatever JSON holds
        """Rebuilds a description; raises ValueError if the value is none."""
        try:
            parts = {name: adapter.validate_python(value[name]) for name, adapter in _PARTS.items()}
            return cls(description_from_json(value["architecture"]), **parts)
        except (KeyError, TypeError, ValidationError) as error:
            raise ValueError(f"it describes no detector: {' '.join(str(error).split()):.200}") from None


_PARTS: dict[str, TypeAdapter[Any]] = {
    "network": TypeAdapter(NetworkSpec),
    "detector": TypeAdapter(DetectorSettings),
    "form": TypeAdapter(PictureForm),
}


def save_detector(path: Path, network: nn.Module, description: DetectorDescription) -> None:
    """Writes a detector to a safetensors file, at once or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_tensors(path, tensors, {"format": FORMAT, "description": json.dumps(description.to_json())})


def load_detector(path: Path) -> tuple[FasterRCNN, DetectorDescription]:
    """Rebuilds a detector, in evaluation mode, from a file that `save_detector` wrote.

    Raises:
        ValueError: if the file is missing, is no such file, or its weights do not fit its description.
    """
    metadata, tensors = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} must be a {FORMAT}, got {metadata.get('format', 'no format')!r:.100}")
    try:
        return _rebuild(metadata["description"], tensors)
    except (KeyError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{path} does not hold a detector that can be rebuilt: {error}") from None


def _rebuild(text: str, tensors: dict[str, Tensor]) -> tuple[FasterRCNN, DetectorDescription]:
    """Before any memory is taken for it, a detector must be no larger than the weights that are there."""
    description = DetectorDescription.from_json(parse_json(text))
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in description.build(seed=0).state_dict().items()}
    if expected != {name: tensor.shape for name, tensor in tensors.items()}:
        raise ValueError("its weights do not fit its description")
    network = description.build(seed=0)
    network.load_state_dict(tensors)
    return network.eval(), description
