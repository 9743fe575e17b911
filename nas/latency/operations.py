"""A table of the latencies of operations on one device, which predicts the latency of networks made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import torch

from nas.fidelity import NetworkSpec
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object
from nas.files.storage import make_folder
from nas.latency.backends import device_name
from nas.latency.measure import nominal_speed
from nas.latency.parts import Part, parts_of
from nas.latency.settings import LatencySettings
from nas.latency.time_network import time_network
from nas.models.reference.descriptions import Buildable

_SEED = 0
_FORMAT = 2


@dataclass(frozen=True, slots=True)
class OperationTable:
    """Latencies of the parts of networks in milliseconds, by what they are and the shape of their input.

    Attributes:
        device: what they were measured on.
        conditions: backend, threads, batch and, on a CPU, the nominal speed to which the latencies refer.
        entries: latencies by name of the part, see `parts_of`.
    """

    device: str
    conditions: Mapping[str, Any]
    entries: Mapping[str, float]

    @classmethod
    def build(
        cls,
        networks: Iterable[tuple[Buildable, NetworkSpec]],
        settings: LatencySettings,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Self:
        """Measures every different part of some networks; `progress` is told how many of how many are measured."""
        found: dict[str, Part] = {}
        for architecture, spec in networks:
            found = parts_of(architecture, spec, settings.batch) | found
        entries = {}
        for place, (name, part) in enumerate(found.items()):
            progress(place, len(found))
            entries[name] = _time_part(part, settings)
        conditions = {**settings.conditions(), **nominal_speed(settings)}
        return cls(device_name(settings.backend), conditions, entries)

    def predict(self, architecture: Buildable, spec: NetworkSpec) -> float:
        """Sum of the latencies of the parts of a network, in milliseconds.

        Raises:
            ValueError: if the table lacks one of them.
        """
        total = 0.0
        for name, part in parts_of(architecture, spec, int(self.conditions["batch"])).items():
            if name not in self.entries:
                raise ValueError(f"the table of latencies lacks the part {name:.200}; build it from more architectures")
            total += part.count * self.entries[name]
        return total

    def write(self, path: Path, report: Mapping[str, Any]) -> None:
        """Writes the table with a report of how well it predicts, as JSON."""
        make_folder(path.parent)
        value = {"format": _FORMAT, "device": self.device, "conditions": dict(self.conditions), "report": dict(report)}
        write_text(path, json.dumps({**value, "entries": dict(self.entries)}, indent=1) + "\n")

    @staticmethod
    def read(path: Path) -> OperationTable:
        """Reads a table, once for each state of the file; raises ValueError if it is not one."""
        try:
            return _read(path, path.stat().st_mtime_ns)
        except OSError as error:
            raise ValueError(f"the table of latencies {path} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> OperationTable:
    value = read_json_object(path)
    entries, conditions = value.get("entries"), value.get("conditions")
    if value.get("format") == 1:
        raise ValueError(f"{path} is a table of an earlier version, which had other parts: build it again")
    if value.get("format") != _FORMAT or not isinstance(entries, dict) or not isinstance(conditions, dict):
        raise ValueError(f"{path} must be a table of `nas latency build`")
    return OperationTable(str(value.get("device")), conditions, entries)


def _time_part(part: Part, settings: LatencySettings) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_SEED)
        module = part.module.to_empty(device="cpu").eval()
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                with torch.no_grad():
                    tensor.uniform_(0.5, 1.0)
        images = torch.randn(part.shape)
    return time_network(module, images, settings).median_ms
