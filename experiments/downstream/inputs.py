"""The inputs of a detector or segmenter: its configuration and its backbone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.architectures.find import WEIGHTS_SUFFIX, find_architecture
from experiments.config.dense_config import use_normalization
from experiments.config.kinds import ConfigKind, Document
from experiments.config.parsing.sections import dump_settings
from experiments.config.resolve import ConfigRequest, resolve
from experiments.runs.run_folder import RunFolder
from nas.downstream.backbone import trained_file
from nas.models.checkpoint import Checkpoint, load_checkpoint
from nas.models.reference.descriptions import Buildable
from nas.training.transfer import FREE_SETTINGS

_NO_CLASSIFIERS = ("detector.safetensors", "segmenter.safetensors")
"""Files of weights in folders that have an architecture too."""


@dataclass(frozen=True, slots=True)
class BackboneRequest:
    """The backbone, as a command line asks for it.

    Attributes:
        name: An architecture, see `experiments.architectures.find`, or a trained classifier: a checkpoint, or a folder
            of `nas train` or `nas export`. None takes the folder's.
        scratch: Whether a trained classifier gives its architecture, the network around it and its normalization of
            images, but not its weights.
    """

    name: str | None = None
    scratch: bool = False


def resolve_dense(
    kind: ConfigKind, request: ConfigRequest, backbone: BackboneRequest, folder: RunFolder
) -> tuple[Document, Buildable]:
    """Resolves the configuration of a detector or segmenter, and the architecture of its backbone.

    A trained classifier sets ``start`` in the first section, and the section ``network``. With `scratch` it sets the
    network, where the request leaves it open, and the normalization of images instead of ``start``, so that both differ
    in the weights only. Raises ValueError if the inputs are not valid, or no backbone or no data is named; OSError if a
    file cannot be read.
    """
    stored, first = folder.stored_document(), kind.sections[0]
    document = resolve(kind, request, stored)
    if document["data"].get("root") is None:
        raise ValueError("the folder of the images must be given with --data")
    name = backbone.name or document[first].get("start")
    if name is None:
        return document, _stored_backbone(document, first, folder)
    weights = find_weights(name)
    if weights is None:
        return document, _untrained(name, backbone)
    checkpoint = load_checkpoint(weights)
    document["network"] = _network_of(checkpoint, document["network"], request, backbone)
    if not backbone.scratch:
        document[first]["start"] = str(weights.resolve())
    elif stored is None:
        use_normalization(document, checkpoint)
    return document, checkpoint.network.architecture


def find_weights(text: str) -> Path | None:
    """The file of weights that a text refers to; None if it is an architecture without weights."""
    path = Path(text)
    if path.is_file():
        return path if path.suffix == WEIGHTS_SUFFIX else None
    if path.is_dir():
        with suppress(ValueError):
            return trained_file(path)
    return None


def _network_of(
    checkpoint: Checkpoint, asked: Mapping[str, Any], request: ConfigRequest, backbone: BackboneRequest
) -> dict[str, Any]:
    """The settings of the network: the checkpoint's, and with random weights also those that the request gives."""
    theirs = dump_settings(checkpoint.network.spec)
    given = {key: value for key, value in asked.items() if f"network.{key}" in request.given}
    if backbone.scratch:
        return {**theirs, **given}
    for key, value in given.items():
        if key in theirs and key not in FREE_SETTINGS and theirs[key] != value:
            raise ValueError(
                f"network.{key} must be that of the trained backbone, {theirs[key]}, got {value}; --scratch takes the "
                "architecture only"
            )
    return theirs


def _untrained(name: str, backbone: BackboneRequest) -> Buildable:
    if not any((Path(name) / file).is_file() for file in _NO_CLASSIFIERS):
        return find_architecture(name).architecture
    if not backbone.scratch:
        raise ValueError(
            f"{name} holds a detector or segmenter; a backbone is initialized from a classifier. --scratch takes "
            "the architecture only"
        )
    return find_architecture(str(RunFolder(Path(name)).architecture)).architecture


def _stored_backbone(document: Document, first: str, folder: RunFolder) -> Buildable:
    stored, architecture = folder.stored_document(), folder.stored_architecture()
    if stored is None or architecture is None:
        raise ValueError("the backbone must be given with --backbone: an architecture, or a trained classifier")
    document["network"] = stored.get("network", document["network"])
    document[first]["start"] = stored.get(first, {}).get("start")
    return architecture
