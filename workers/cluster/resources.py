"""Resources and limits of a worker in a Ray cluster."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_GIB = 2**30
_MAX_GIB = 2**20
_RESERVED = ("CPU", "GPU", "memory", "object_store_memory")
_UNIT = _SLACK = 1e-4  # in which Ray counts resources; as slack, so that 0.3 holds three times 0.1
_Positive = Annotated[float, Field(gt=0)]


def check_address(address: str | None) -> str | None:
    """Returns the address of a Ray cluster; ValueError unless it is ``auto`` or ``HOST:PORT``. None is this machine."""
    host, _, port = (address or "").rpartition(":")
    is_valid = bool(host) and "/" not in host and port.isascii() and port.isdecimal() and 0 < int(port[:9]) < 65536
    if address not in (None, "auto") and not is_valid:
        raise ValueError(
            f"the address of a Ray cluster must be auto or HOST:PORT, got {address!r:.100}; "
            "on a machine that is not one of its nodes, use `ray job submit`"
        )
    return address


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class WorkerResources:
    """Resources and limits of each worker, and number of workers.

    Attributes:
        cpus: Logical CPUs per worker.
        gpus: GPUs per worker: a whole number, or a fraction below 1, which also limits its share of the GPU's memory.
        memory_gib: Memory per worker, which Ray schedules and its process may allocate during a trial; None: no limit.
        custom: Custom resources per worker, by name.
        time_limit_seconds: A trial that takes longer, counted from its start, is stopped, even within native code.
        max_retries: How often a trial is restarted after its worker or node was lost.
        recycle_after: Number of trials after which a worker process is replaced; 0 never replaces it.
        num_queued: Trials submitted beyond the number of workers, ready for whichever worker is free first.
        min_workers: Trials submitted even if the cluster has fewer workers, so that an autoscaler sees the demand.
        max_workers: Maximum number of workers; None uses the whole cluster.
    """

    cpus: Annotated[float, Field(ge=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    memory_gib: Annotated[float | None, Field(gt=0, le=_MAX_GIB)] = None
    custom: Mapping[str, _Positive] = Field(default_factory=dict)
    time_limit_seconds: _Positive | None = None
    max_retries: Annotated[int, Field(ge=0)] = 3
    recycle_after: Annotated[int, Field(ge=0)] = 0
    num_queued: Annotated[int, Field(ge=0)] = 1
    min_workers: Annotated[int, Field(ge=1)] = 1
    max_workers: Annotated[int | None, Field(ge=1)] = None

    def __post_init__(self) -> None:
        if self.gpus > 1 and not self.gpus.is_integer():
            raise ValueError(f"gpus must be a fraction below 1 or a whole number, got {self.gpus}")
        if not (self.cpus or self.gpus or self.custom):
            raise ValueError("a worker must request cpus, gpus or a custom resource, else their number is unlimited")
        if reserved := [name for name in self.custom if name in _RESERVED or not name]:
            raise ValueError(
                f"the name of a custom resource must not be empty or {', '.join(_RESERVED)}, got {reserved[0]!r}"
            )
        for name, amount in (("cpus", self.cpus), ("gpus", self.gpus), *self.custom.items()):
            if 0 < amount < _UNIT:
                raise ValueError(f"{name} must be 0 or at least {_UNIT}, the unit in which Ray counts, got {amount}")
        if self.max_workers is not None and self.max_workers < self.min_workers:
            raise ValueError(f"max_workers must be at least min_workers {self.min_workers}, got {self.max_workers}")

    @property
    def demand(self) -> dict[str, float]:
        """Resources of one worker, by Ray's names."""
        memory = (self.memory_gib or 0.0) * _GIB
        demand = {"CPU": self.cpus, "GPU": self.gpus, "memory": memory, **self.custom}
        return {name: amount for name, amount in demand.items() if amount > 0}

    @property
    def memory_bytes(self) -> int | None:
        """Memory limit of the process of a worker."""
        return None if self.memory_gib is None else int(self.memory_gib * _GIB)

    def ray_options(self) -> dict[str, Any]:
        """Returns the options of the Ray task that evaluates one trial; the pool retries, within the time limit."""
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "memory": self.memory_bytes,
            "resources": dict(self.custom),
            "max_retries": 0,
            "max_calls": self.recycle_after,  # if not given, Ray reuses no GPU worker
            "num_returns": "streaming",
        }

    def count_workers(self, nodes: Iterable[Mapping[str, Any]]) -> int:
        """Returns the number of workers that fit on the nodes of ``ray.nodes()`` that are alive."""
        alive = (node["Resources"] for node in nodes if node["Alive"])
        return sum(min(self._shares(name, held.get(name, 0.0)) for name in self.demand) for held in alive)

    def _shares(self, name: str, amount: float) -> int:
        demand = self.demand[name]
        if name == "GPU" and demand < 1:  # a fraction never spans two GPUs
            return int(amount) * math.floor(1 / demand + _SLACK)
        return math.floor(amount / demand + _SLACK)
