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

from nas.models.checkpoint import read_tensors, write_tensors
from nas.training.parallel import current_members

FORMAT = "nas-engine training state 1"


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
    """Writes a checkpoint atomically; raises RuntimeError with the required space, and keeps the previous file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    try:
        write_tensors(path, tensors, {"format": FORMAT, "state": json.dumps(state.values)})
    except OSError as error:
        needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        free = shutil.disk_usage(path.parent).free
        raise RuntimeError(
            f"the checkpoint {path} cannot be written ({error.strerror or error}): it needs {needed / 1e6:,.1f} MB and "
            f"{free / 1e6:,.1f} MB are free; the previous checkpoint is kept: free disk space and rerun the command"
        ) from None


def read_state(path: Path) -> TrainingState | None:
    """Reads a checkpoint, None if it does not exist; raises ValueError if it was not written by `write_state`."""
    if not path.exists():
        return None
    metadata, tensors = read_tensors(path, FORMAT)
    return TrainingState(tensors, json.loads(metadata["state"]))


def resume_state(path: Path, plans: Collection[str]) -> TrainingState | None:
    """Reads the state that a training resumes from; None if it has not written one yet.

    The state must name one of the fingerprints `plans` under ``plan``; raises ValueError if it is of another training.
    Leftovers of an interrupted write beside it are removed.
    """
    if current_members().rank == 0:
        remove_unfinished(path)
    state = read_state(path)
    if state is not None and state.values.get("plan") not in plans:
        raise ValueError(f"{path} is the checkpoint of another training (network, data, settings or seed differ)")
    return state


def check_room(folder: Path, num_bytes: int) -> None:
    """Raises RuntimeError unless two checkpoints fit: the old one is kept until the new one is complete."""
    needed, free = 2 * num_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise RuntimeError(
            f"checkpoints in {folder} need {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free; free disk space or "
            "choose another folder"
        )


def remove_unfinished(path: Path) -> None:
    """Removes temporary files of processes killed while writing a checkpoint."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


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
