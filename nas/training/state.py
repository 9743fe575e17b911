"""The state of a training in one file: tensors, and JSON in the file's header. Written whole or not at all."""

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
    """All that a training needs to go on.

    Attributes:
        tensors: weights, averages, what the optimizer keeps, states of generators.
        values: plain data: epochs done, their results, what was trained.
    """

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def write_state(path: Path, state: TrainingState) -> None:
    """Writes a state under a temporary name and renames it, so that a reader finds the old state or the new one.

    Raises:
        RuntimeError: if it cannot be written; says how much room it needs. The file of before stays as it was.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    try:
        write_tensors(path, tensors, {"format": FORMAT, "state": json.dumps(state.values)})
    except OSError as error:
        needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        free = shutil.disk_usage(path.parent).free
        raise RuntimeError(
            f"the checkpoint {path} cannot be written ({error.strerror or error}): it needs {needed / 1e6:,.1f} MB and "
            f"{free / 1e6:,.1f} MB are free; what was there before is kept, and the same command goes on from it"
        ) from None


def read_state(path: Path) -> TrainingState | None:
    """Reads a state; None if there is none.

    Raises:
        ValueError: if the file is not one that `write_state` wrote.
    """
    if not path.exists():
        return None
    metadata, tensors = read_tensors(path, FORMAT)
    return TrainingState(tensors, json.loads(metadata["state"]))


def resume_state(path: Path, plans: Collection[str]) -> TrainingState | None:
    """Reads the state that a training resumes from; None if it has not written one yet.

    Args:
        path: of the state; leftovers of an interrupted write beside it are removed.
        plans: fingerprints that identify the training; the state must name one of them under ``plan``.

    Raises:
        ValueError: if the file is not a state, or belongs to another training.
    """
    if current_members().rank == 0:
        remove_unfinished(path)
    state = read_state(path)
    if state is not None and state.values.get("plan") not in plans:
        raise ValueError(f"{path} is the checkpoint of another training (network, data, settings or seed differ)")
    return state


def check_room(folder: Path, num_bytes: int) -> None:
    """Refuses to train where checkpoints would not fit: the old and the new one lie side by side for a moment.

    Args:
        folder: that will hold them.
        num_bytes: of one checkpoint.

    Raises:
        RuntimeError: if there is no room for two.
    """
    needed, free = 2 * num_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise RuntimeError(
            f"checkpoints in {folder} need {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free; make room or choose "
            "another folder"
        )


def remove_unfinished(path: Path) -> None:
    """Removes what a process that was killed while writing a state has left beside it."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with names that begin with ``prefix.``."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the tensors whose names begin with ``prefix.``, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """What an optimizer keeps for each parameter, by the number of the parameter and its own name for it."""
    return {
        f"{number}.{name}": value
        for number, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Gives an optimizer back what `optimizer_tensors` took; in memory it lies as the parameters do."""
    parameters = _parameters(optimizer)
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        parameter = parameters[int(number)]
        optimizer.state[parameter][name] = torch.empty_like(parameter).copy_(value)


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
