"""Exports a network to a folder: source code that needs only torch, description, weights and model card."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import safe_open
from torch import Tensor

from nas.architecture import Architecture
from nas.edge_cell import EdgeCell
from nas.export.feeding import Feeding
from nas.export.model_card import model_card
from nas.export.model_source import WEIGHTS_FILE, Labels, model_source
from nas.fidelity import NetworkSpec
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object
from nas.files.storage import make_folder
from nas.later_settings import plain
from nas.models.build import AnyNetwork
from nas.models.checkpoint import Checkpoint, load_checkpoint, write_tensors
from nas.models.reference.names import ReferenceNetwork
from nas.training.transfer import AUXILIARIES

MODEL_FILE = "model.py"
ARCHITECTURE_FILE = "architecture.json"
CARD_FILE = "README.md"
NETWORK_FILE = "network.json"
"""Settings of the network around the cells of an untrained export; those of a trained one are in its weights."""


def export_untrained(
    architecture: Architecture | ReferenceNetwork, spec: NetworkSpec, out: Path, *, name: str = ""
) -> list[Path]:
    """Exports a network without weights to a folder, replacing earlier files, and returns the files written.

    Raises:
        ValueError: if an operation or norm is unknown, or the folder contains weights of another export.
    """
    if (out / WEIGHTS_FILE).exists():
        raise ValueError(f"{out} holds {WEIGHTS_FILE} of another network; choose another folder for an untrained one")
    source = None if isinstance(architecture, ReferenceNetwork) else model_source(architecture, spec, name=name)
    written = _write_texts(out, architecture, source, model_card(architecture, spec, name=name))
    write_text(out / NETWORK_FILE, json.dumps(plain(spec), indent=2) + "\n")
    return [*written, out / NETWORK_FILE]


def export_checkpoint(path: Path, out: Path, *, name: str = "") -> list[Path]:
    """Exports the network of a checkpoint to a folder, replacing earlier files, and returns the files written.

    The file of weights is itself a checkpoint, without parts used in training only.

    Raises:
        ValueError: if the checkpoint is missing or invalid, or an operation cannot be exported as source.
    """
    checkpoint = load_checkpoint(path)
    network = checkpoint.network
    architecture = network.architecture
    if isinstance(architecture, EdgeCell):
        raise ValueError(
            f"only networks of cells of blocks and reference networks can be exported, got {architecture.arch}"
        )
    labels, source = Labels(checkpoint.mean, checkpoint.std, checkpoint.class_names), None
    if not isinstance(architecture, ReferenceNetwork):
        source = model_source(architecture, network.spec, name=name, labels=labels)
    card = model_card(
        architecture,
        network.spec,
        name=name,
        trained=True,
        accuracy=checkpoint.accuracy,
        evaluation=checkpoint.evaluation,
        feeding=Feeding.of(checkpoint),
    )
    written = _write_texts(out, architecture, source, card)
    _write_weights(out / WEIGHTS_FILE, checkpoint, path)
    return [*written, out / WEIGHTS_FILE]


def read_network(path: Path) -> NetworkSpec:
    """Reads `NETWORK_FILE`; raises ValueError if it does not describe a network."""
    value = read_json_object(path)
    try:
        return TypeAdapter(NetworkSpec).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{path} does not describe a network: {error.errors()[0]['msg']}") from None


def _write_texts(out: Path, architecture: Architecture | ReferenceNetwork, source: str | None, card: str) -> list[Path]:
    description = json.dumps(architecture.to_json(), indent=2) + "\n"
    make_folder(out)
    code = {} if source is None else {out / MODEL_FILE: source}
    files = {**code, out / ARCHITECTURE_FILE: description, out / CARD_FILE: card}
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _write_weights(path: Path, checkpoint: Checkpoint, original: Path) -> None:
    """Writes the weights without parts used in training only, atomically."""
    with safe_open(original, framework="pt") as file:
        metadata = dict(file.metadata())
    metadata["network"] = json.dumps({**json.loads(metadata["network"]), "auxiliary": False, "drop_path": 0.0})
    if checkpoint.network.spec.norm == "frozen_bn":
        metadata["network"] = json.dumps({**json.loads(metadata["network"]), "norm": "bn"})
    tensors = {
        name: tensor.contiguous()
        for name, tensor in _as_batch_norms(checkpoint.network).items()
        if not name.startswith(AUXILIARIES)
    }
    write_tensors(path, tensors, metadata)


def _as_batch_norms(network: AnyNetwork) -> dict[str, Tensor]:
    """Returns the weights with frozen batch norms as batch norms, which compute the same in evaluation."""
    from torchvision.ops import FrozenBatchNorm2d  # takes seconds to import

    tensors: dict[str, Tensor] = network.state_dict()
    frozen = [name for name, part in network.named_modules() if isinstance(part, FrozenBatchNorm2d)]
    return tensors | {f"{name}.num_batches_tracked": torch.tensor(0) for name in frozen}
