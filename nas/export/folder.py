"""Exports a network to a folder: source code that needs only torch, description, weights and model card."""

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


def export_untrained(architecture: Architecture, spec: NetworkSpec, out: Path, *, name: str = "") -> list[Path]:
    """Exports a network without weights to a folder, replacing earlier files, and returns the files written.

    Raises:
        ValueError: if an operation or norm is unknown, or the folder contains weights of another export.
    """
    if (out / WEIGHTS_FILE).exists():
        raise ValueError(f"{out} holds {WEIGHTS_FILE} of another network; choose another folder for an untrained one")
    texts = model_source(architecture, spec, name=name), model_card(architecture, spec, name=name)
    return _write_texts(out, architecture, *texts)


def export_checkpoint(path: Path, out: Path, *, name: str = "") -> list[Path]:
    """Exports the network of a checkpoint to a folder, replacing earlier files, and returns the files written.

    The file of weights is itself a checkpoint, without parts used in training only.

    Raises:
        ValueError: if the checkpoint is missing or invalid, or an operation cannot be exported as source.
    """
    checkpoint = load_checkpoint(path)
    network = checkpoint.network
    if not isinstance(network, Network):
        raise ValueError(f"only networks of cells can be exported as code, got {network.architecture.name}")
    labels = Labels(checkpoint.mean, checkpoint.std, checkpoint.class_names)
    source = model_source(network.architecture, network.spec, name=name, labels=labels)
    measured = {"accuracy": checkpoint.accuracy, "evaluation": checkpoint.evaluation}
    card = model_card(network.architecture, network.spec, name=name, trained=True, **measured)
    written = _write_texts(out, network.architecture, source, card)
    _write_weights(out / WEIGHTS_FILE, checkpoint, path)
    return [*written, out / WEIGHTS_FILE]


def _write_texts(out: Path, architecture: Architecture, source: str, card: str) -> list[Path]:
    description = json.dumps(architecture.to_json(), indent=2) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    files = {out / MODEL_FILE: source, out / ARCHITECTURE_FILE: description, out / CARD_FILE: card}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def _write_weights(path: Path, checkpoint: Checkpoint, original: Path) -> None:
    """Writes the weights without parts used in training only, atomically."""
    with safe_open(original, framework="pt") as file:
        metadata = dict(file.metadata())
    metadata["network"] = json.dumps({**json.loads(metadata["network"]), "auxiliary": False, "drop_path": 0.0})
    tensors = {
        name: tensor.contiguous()
        for name, tensor in checkpoint.network.state_dict().items()
        if not name.startswith("auxiliary_head.")
    }
    write_tensors(path, tensors, metadata)
