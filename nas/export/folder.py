"""Takes a network away: as one file of source code that needs only torch, with its weights and its description."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open

from nas.architecture import Architecture
from nas.export.model_card import model_card
from nas.export.model_source import WEIGHTS_FILE, Labels, model_source
from nas.fidelity import NetworkSpec
from nas.models.checkpoint import Checkpoint, load_checkpoint, write_tensors
from nas.models.network import Network

MODEL_FILE = "model.py"
ARCHITECTURE_FILE = "architecture.json"
CARD_FILE = "README.md"
TRAINING_ONLY = ("auxiliary_head.",)
"""Beginnings of the names of weights that only training needs."""


def export_untrained(architecture: Architecture, spec: NetworkSpec, out: Path, *, name: str = "") -> list[Path]:
    """Writes the source and the description of a network without weights.

    Args:
        architecture: its cells.
        spec: the network around them.
        out: the folder, made where it is missing; files of the same names are replaced.
        name: of the network, for people.

    Returns:
        The files written.

    Raises:
        ValueError: if an operation or a norm is unknown, or the folder holds the weights of another export.
    """
    if (out / WEIGHTS_FILE).exists():
        raise ValueError(f"{out} holds {WEIGHTS_FILE} of another network; this one has none and needs another folder")
    source = model_source(architecture, spec, name=name)
    card = model_card(architecture, spec, name=name)
    return [
        _write(out / MODEL_FILE, source),
        _write(out / ARCHITECTURE_FILE, _describe(architecture)),
        _write(out / CARD_FILE, card),
    ]


def export_checkpoint(path: Path, out: Path, *, name: str = "") -> list[Path]:
    """Writes the source, the description and the weights of a trained network.

    The weights are a checkpoint themselves, without what only training needs.

    Args:
        path: a file that `nas.models.checkpoint.save_checkpoint` wrote.
        out: the folder, made where it is missing; files of the same names are replaced.
        name: of the network, for people.

    Returns:
        The files written.

    Raises:
        ValueError: if there is no such checkpoint, or an operation is not defined in a way that can be written out.
    """
    checkpoint = load_checkpoint(path)
    network = checkpoint.network
    if not isinstance(network, Network):
        raise ValueError(f"only networks of cells can be written as code, got {network.architecture.name}")
    labels = Labels(checkpoint.mean, checkpoint.std, checkpoint.class_names)
    source = model_source(network.architecture, network.spec, name=name, labels=labels)
    card = model_card(
        network.architecture, network.spec, name=name, accuracy=checkpoint.accuracy, evaluation=checkpoint.evaluation
    )
    return [
        _write(out / MODEL_FILE, source),
        _write(out / ARCHITECTURE_FILE, _describe(network.architecture)),
        _write_weights(out / WEIGHTS_FILE, checkpoint, path),
        _write(out / CARD_FILE, card),
    ]


def _describe(architecture: Architecture) -> str:
    return json.dumps(architecture.to_json(), indent=2) + "\n"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _write_weights(path: Path, checkpoint: Checkpoint, original: Path) -> Path:
    """At once or not at all: under a temporary name, then renamed."""
    with safe_open(original, framework="pt") as file:
        metadata = dict(file.metadata())
    network = json.loads(metadata["network"])
    metadata["network"] = json.dumps({**network, "auxiliary": False, "drop_path": 0.0})
    tensors = {
        name: tensor.contiguous()
        for name, tensor in checkpoint.network.state_dict().items()
        if not name.startswith(TRAINING_ONLY)
    }
    write_tensors(path, tensors, metadata)
    return path
