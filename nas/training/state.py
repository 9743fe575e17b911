"""Checkpoint of a training run in one safetensors file, with plain data as JSON in its header."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nas.files.atomic_write import remove_unfinished
from nas.files.storage import StorageError
from nas.files.strict_json import parse_json
from nas.models.checkpoint import read_tensors, write_tensors
from nas.training.parallel import current_members

FORMAT = "nas-engine training state 1"
WITHOUT_IMAGES = "plan_without_images"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Everything that a training run needs to resume.

    Attributes:
        tensors: weights, moving averages, optimizer state and random generator states.
        values: plain data: completed epochs, their metrics and a fingerprint of the plan.
    """

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def write_state(path: Path, state: TrainingState) -> None:
    """Writes a checkpoint atomically; raises StorageError with the required space, and keeps the previous file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    try:
        write_tensors(path, tensors, {"format": FORMAT, "state": json.dumps(state.values)})
    except StorageError as error:
        needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        raise StorageError(f"{error} (a checkpoint of {needed / 1e6:,.1f} MB; the previous one is kept)") from None


def read_state(path: Path) -> TrainingState | None:
    """Reads a checkpoint, None if it does not exist; raises ValueError if it was not written by `write_state`."""
    if not path.exists():
        return None
    metadata, tensors = read_tensors(path, FORMAT)
    try:
        values = parse_json(metadata.get("state", ""))
    except ValueError as error:
        raise ValueError(f"the metadata of {path} are damaged: {error}; remove the file to train anew") from None
    if not isinstance(values, dict) or not isinstance(values.get("records", []), list):
        raise ValueError(f"the metadata of {path} must be an object with a list of records; remove it to train anew")
    return TrainingState(tensors, values)


def resume_state(path: Path, plans: Collection[str], *, but_images: str | None = None) -> TrainingState | None:
    """Reads the state that a training resumes from; None if it has not written one yet.

    The state must name one of the fingerprints `plans` under ``plan``, or that of everything `but_images`, if given,
    under ``plan_without_images``; raises ValueError if it is of another training.
    Leftovers of an interrupted write beside it are removed.
    """
    if current_members().rank == 0:
        remove_unfinished(path.parent, path.name)
    state = read_state(path)
    if state is None or (but_images is not None and state.values.get(WITHOUT_IMAGES) == but_images):
        return state
    if state.values.get("plan") not in plans:
        raise ValueError(f"{path} is the checkpoint of another training (network, data, settings or seed differ)")
    return state


def check_room(folder: Path, num_bytes: int) -> None:
    """Raises StorageError unless two checkpoints fit: the old one is kept until the new one is complete."""
    needed, free = 2 * num_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"checkpoints in {folder} need {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free; free disk space or "
            "choose another folder"
        )


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adds ``prefix.`` to the names of tensors."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Selects the tensors whose names begin with ``prefix.``, and removes it."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Returns the state tensors of an optimizer, named by parameter number and state name."""
    return {
        f"{number}.{name}": value
        for number, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restores the result of `optimizer_tensors`, in the memory format of the parameters."""
    parameters = _parameters(optimizer)
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        parameter = parameters[int(number)]
        state = optimizer.state[parameter]
        state.setdefault(name, torch.empty_like(parameter)).copy_(value)


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
