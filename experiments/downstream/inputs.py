"""The inputs of a detector or segmenter: its configuration and its backbone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from experiments.architectures.find import WEIGHTS_SUFFIX, find_architecture
from experiments.config.kinds import ConfigKind, Document
from experiments.config.parsing.sections import dump_settings
from experiments.config.resolve import ConfigRequest, resolve
from experiments.runs.run_folder import RunFolder
from nas.downstream.backbone import trained_file
from nas.models.checkpoint import load_checkpoint
from nas.models.reference.descriptions import Buildable

_NO_CLASSIFIERS = ("detector.safetensors", "segmenter.safetensors")
"""Files of weights in folders that have an architecture too."""


@dataclass(frozen=True, slots=True)
class BackboneRequest:
    """The backbone, as a command line asks for it.

    Attributes:
        name: An architecture, see `experiments.architectures.find`, or a trained classifier: a checkpoint, or a folder
            of `nas train` or `nas export`. None takes the folder's.
        scratch: Whether a trained classifier gives only its architecture and the network around it, not its weights.
    """

    name: str | None = None
    scratch: bool = False


def resolve_dense(
    kind: ConfigKind, request: ConfigRequest, backbone: BackboneRequest, folder: RunFolder
) -> tuple[Document, Buildable]:
    """Resolves the configuration of a detector or segmenter, and the architecture of its backbone.

    A trained classifier sets ``start`` in the first section, and the section ``network``. Raises ValueError if the
    inputs are not valid, or no backbone or no data is named; OSError if a file cannot be read.
    """
    document = resolve(kind, request, folder.stored_document())
    if document["data"].get("root") is None:
        raise ValueError("the folder of the images must be given with --data")
    return document, _find_backbone(backbone, document, kind.sections[0], folder)


def find_weights(text: str) -> Path | None:
    """The file of weights that a text refers to; None if it is an architecture without weights."""
    path = Path(text)
    if path.is_file():
        return path if path.suffix == WEIGHTS_SUFFIX else None
    if path.is_dir():
        with suppress(ValueError):
            return trained_file(path)
    return None


def _find_backbone(backbone: BackboneRequest, document: Document, first: str, folder: RunFolder) -> Buildable:
    """The architecture of the backbone; a trained one sets ``start`` and the network around it."""
    name = backbone.name or document[first].get("start")
    if name is None:
        return _stored_backbone(document, first, folder)
    weights = find_weights(name)
    if weights is None:
        if not backbone.scratch and any((Path(name) / file).is_file() for file in _NO_CLASSIFIERS):
            raise ValueError(
                f"{name} holds a detector or segmenter; a backbone is initialized from a classifier. --scratch takes "
                "the architecture only"
            )
        return find_architecture(name).architecture
    network = load_checkpoint(weights).network
    document["network"] = dump_settings(network.spec)
    if not backbone.scratch:
        document[first]["start"] = str(weights.resolve())
    return network.architecture


def _stored_backbone(document: Document, first: str, folder: RunFolder) -> Buildable:
    stored, architecture = folder.stored_document(), folder.stored_architecture()
    if stored is None or architecture is None:
        raise ValueError("the backbone must be given with --backbone: an architecture, or a trained classifier")
    document["network"] = stored.get("network", document["network"])
    document[first]["start"] = stored.get(first, {}).get("start")
    return architecture
