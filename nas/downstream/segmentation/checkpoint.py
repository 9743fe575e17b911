"""A trained segmenter in one file: weights, and all that is needed to rebuild it and to feed it pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from nas.downstream.backbone import build_backbone
from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.networks import Segmenter, build_segmenter
from nas.downstream.segmentation.settings import HeadSpec
from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.models.build import description_from_json
from nas.models.checkpoint import read_tensors, write_tensors

FORMAT = "nas-engine segmenter 1"
_NETWORK, _HEAD, _CLASSES = TypeAdapter(NetworkSpec), TypeAdapter(HeadSpec), TypeAdapter(Classes)
_SIDES = TypeAdapter(tuple[int, int])


@dataclass(frozen=True, slots=True)
class TrainedSegmenter:
    """A trained segmenter, rebuilt.

    Attributes:
        network: on the CPU, in evaluation mode.
        classes: that it tells apart.
        sides: the shorter side to which pictures are brought for it, and the most for the longer one.
    """

    network: Segmenter
    classes: Classes
    sides: tuple[int, int]


def save_segmenter(path: Path, network: Segmenter, classes: Classes, sides: tuple[int, int]) -> None:
    """Writes a segmenter to a safetensors file, at once or not at all.

    Args:
        path: of the file.
        network: on any device.
        classes: that it tells apart.
        sides: see `TrainedSegmenter`.
    """
    inner = network.backbone.network
    metadata = {
        "format": FORMAT,
        "architecture": json.dumps(inner.architecture.to_json()),
        "network": _NETWORK.dump_json(inner.spec).decode(),
        "head": _HEAD.dump_json(network.spec).decode(),
        "classes": _CLASSES.dump_json(classes).decode(),
        "sides": json.dumps(sides),
    }
    write_tensors(
        path, {name: each.detach().cpu().contiguous() for name, each in network.state_dict().items()}, metadata
    )


def load_segmenter(path: Path) -> TrainedSegmenter:
    """Rebuilds a segmenter from a file that `save_segmenter` wrote.

    Raises:
        ValueError: if the file is missing, is no such file, or its weights do not fit what it describes.
    """
    metadata, tensors = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} must be a {FORMAT}, got {metadata.get('format', 'no format')!r:.100}")
    try:
        values = {name: parse_json(text) for name, text in metadata.items() if name != "format"}
        classes = _CLASSES.validate_python(values["classes"])
        return TrainedSegmenter(
            _rebuild(values, len(classes), tensors), classes, _SIDES.validate_python(values["sides"])
        )
    except KeyError as error:
        raise ValueError(f"{path} lacks {error} in its metadata") from None
    except ValidationError as error:
        raise ValueError(f"the description in {path} is not valid: {error.errors()[0]['msg']}") from None
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        first = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} does not hold a segmenter that can be rebuilt: {first}") from None


def _rebuild(values: dict[str, Any], num_classes: int, tensors: dict[str, Tensor]) -> Segmenter:
    """Built without memory first, which then is no more than that of the weights that are there."""
    spec, head = _NETWORK.validate_python(values["network"]), _HEAD.validate_python(values["head"])
    if spec.num_stages * spec.num_repeats > len(tensors):
        raise ValueError(f"{spec.num_stages * spec.num_repeats} cells have more than {len(tensors)} tensors")
    with torch.device("meta"):
        backbone = build_backbone(description_from_json(values["architecture"]), spec, norm=head.norm, seed=0)
        network = build_segmenter(backbone, num_classes, head, seed=0)
    network.load_state_dict(tensors, assign=True)
    return network.eval()
