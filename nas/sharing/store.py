"""Store of the tensors that the networks of a search share, with its checkpoint.

A trial borrows the tensors of its operations, trains them, and gives back how they have changed. The store adds the
change to what it holds by then, so that of two trials that train the same tensor at the same time neither is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.models.checkpoint import read_tensors
from nas.training.state import FORMAT, TrainingState, write_state

_WITHOUT_TENSORS = ("drop_path", "dropout", "image_size")


@dataclass(frozen=True, slots=True)
class Loan:
    """Tensors by key as a trial borrows them, and the number of changes that each had had; new keys are missing."""

    tensors: Mapping[str, Tensor]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the changes of a trial.

    Attributes:
        num_stale: tensors that other trials had changed since they were borrowed.
        num_dropped: those of them whose change was dropped, since it was too stale.
        staleness: largest number of changes by other trials to one tensor.
        num_tensors: tensors in the store.
        num_bytes: their memory.
    """

    num_stale: int
    num_dropped: int
    staleness: int
    num_tensors: int
    num_bytes: int


class Store(Protocol):
    """What a trial needs of a store; `WeightStore` is one in this process."""

    def lend(self, keys: Sequence[str]) -> Loan:
        """Returns those of the tensors that the store holds."""

    def take_back(self, changes: Mapping[str, Tensor], versions: Mapping[str, int]) -> Receipt:
        """Adds the changes of borrowed tensors; tensors without a version are new."""

    def save(self) -> None:
        """Writes what is not stored yet; RuntimeError if that fails."""


class WeightStore:
    """The shared tensors, on the CPU; a tensor is added when the first trial that uses it gives it back.

    Args:
        path: the checkpoint, which is read if it exists; None keeps none.
        network: how the networks are built that share the tensors.
        max_staleness: changes of a tensor by other trials beyond which that of a trial is dropped.
        checkpoint_trials: number of trials after which the checkpoint is written again.

    Raises:
        ValueError: if the checkpoint cannot be read, or is of networks that are built in another way.
    """

    def __init__(
        self, path: Path | None, network: NetworkSpec, *, max_staleness: int = 8, checkpoint_trials: int = 20
    ) -> None:
        self._path, self._network = path, network
        self._max_staleness, self._checkpoint_trials = max_staleness, checkpoint_trials
        self._tensors: dict[str, Tensor] = {}
        self._versions: dict[str, int] = {}
        self._num_unsaved = 0
        if path is not None and path.exists():
            self._tensors, self._versions = _read(path, network)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def num_bytes(self) -> int:
        """Memory of the tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._tensors.values())

    def lend(self, keys: Sequence[str]) -> Loan:
        """Returns those of the tensors that the store holds; they must not be changed in place."""
        known = [key for key in keys if key in self._tensors]
        return Loan({key: self._tensors[key] for key in known}, {key: self._versions[key] for key in known})

    def take_back(self, changes: Mapping[str, Tensor], versions: Mapping[str, int]) -> Receipt:
        """Adds changes to borrowed tensors, and new tensors if no other trial has added them in the meantime."""
        ages = {key: self._age(key, versions.get(key)) for key in changes}
        dropped = {key for key, age in ages.items() if age > self._max_staleness or (age and key not in versions)}
        for key in changes.keys() - dropped:
            change = changes[key]
            held = self._tensors.get(key) if key in versions else None
            self._tensors[key] = change.clone() if held is None else held + change
            self._versions[key] = self._versions.get(key, 0) + 1
        self._num_unsaved += 1
        if self._num_unsaved >= self._checkpoint_trials:
            self.save()
        stale = [age for age in ages.values() if age]
        return Receipt(len(stale), len(dropped), max(stale, default=0), len(self), self.num_bytes)

    def _age(self, key: str, borrowed: int | None) -> int:
        """Changes of a tensor since it was borrowed, or since a network was built that it was missing for.

        A store that was restarted from its checkpoint may have fewer changes than a trial has seen.
        """
        return abs(self._versions.get(key, 0) - (borrowed or 0))

    def save(self) -> None:
        """Writes the checkpoint; RuntimeError if that fails, which keeps the previous one."""
        if self._path is None or not self._num_unsaved:
            return
        values = {"network": _described(self._network), "versions": self._versions}
        write_state(self._path, TrainingState(self._tensors, values))
        self._num_unsaved = 0


def _described(network: NetworkSpec) -> dict[str, object]:
    """The settings that shared tensors depend on."""
    names = (field.name for field in fields(NetworkSpec) if field.name not in _WITHOUT_TENSORS)
    return {name: getattr(network, name) for name in names}


def _read(path: Path, network: NetworkSpec) -> tuple[dict[str, Tensor], dict[str, int]]:
    metadata, tensors = read_tensors(path, FORMAT)
    values = parse_json(metadata.get("state", "null"))
    stored = values.get("network") if isinstance(values, dict) else None
    versions = values.get("versions") if isinstance(values, dict) else None
    if not isinstance(stored, dict) or not isinstance(versions, dict) or versions.keys() != tensors.keys():
        raise ValueError(f"{path} must hold shared weights, with their network and versions")
    for name, value in _described(network).items():
        if stored.get(name) != value:
            raise ValueError(
                f"{path} holds shared weights of networks with {name} {stored.get(name)!r:.40}, not {value}"
            )
    for key, tensor in tensors.items():
        shape = "x".join(map(str, tensor.shape))
        if tensor.dtype != torch.float32 or not key.endswith(f"[{shape}]") or type(versions[key]) is not int:
            raise ValueError(f"{path} must hold float32 tensors named by their shapes, got {key!r:.100} of {shape}")
    return tensors, versions
