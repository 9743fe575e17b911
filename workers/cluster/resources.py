"""What each child gets of a Ray cluster, and how far it may go."""

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


@dataclass(frozen=True, slots=True)
class Limits:
    """Memory limits of a child's process.

    Attributes:
        memory_bytes: main memory on top of what the process holds when the child starts; None sets no limit.
        gpu_fraction: share of the GPU's memory, for children that share a GPU; None sets no limit.
    """

    memory_bytes: int | None = None
    gpu_fraction: float | None = None


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class WorkerResources:
    """What each child gets of the cluster, and how far it may go.

    Attributes:
        cpus: logical CPUs of one child.
        gpus: GPUs of one child: a whole number, or a fraction below 1 for several children on each GPU. A fraction also
            bounds the share of the GPU's memory that the child's process may take.
        memory_gib: memory of one child. Ray places children by it, and the child's process may not allocate more on
            top of what it holds when the child starts. None sets no limit.
        custom: further resources of the cluster's nodes, by name.
        time_limit_seconds: a child that takes longer, counted from its start, is stopped, even within native code.
        max_retries: how often a child is started again after its worker or its node was lost.
        recycle_after: children after which a worker process is replaced by a fresh one; 0 keeps it for good.
        num_queued: trials submitted beyond what the cluster holds, so that a worker finds its next child while the
            controller still learns from the last one. Each is asked for one outcome earlier than it had to be.
        min_workers: children submitted even while the cluster does not hold that many: what an autoscaler sees.
        max_workers: the most children at a time; None takes all that the cluster holds.
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
            raise ValueError("a child must ask for cpus, gpus or a custom resource, or any number would run at once")
        if reserved := [name for name in self.custom if name in _RESERVED or not name]:
            raise ValueError(
                f"a custom resource must have a name of its own, not {', '.join(_RESERVED)}, got {reserved[0]!r}"
            )
        for name, amount in (("cpus", self.cpus), ("gpus", self.gpus), *self.custom.items()):
            if 0 < amount < _UNIT:
                raise ValueError(f"{name} must be 0 or at least {_UNIT}, the unit in which Ray counts, got {amount}")
        if self.max_workers is not None and self.max_workers < self.min_workers:
            raise ValueError(f"max_workers must be at least min_workers {self.min_workers}, got {self.max_workers}")

    @property
    def demand(self) -> dict[str, float]:
        """What a node must have for one child, by Ray's names of resources."""
        memory = 0.0 if self.memory_gib is None else self.memory_gib * _GIB
        demand = {"CPU": self.cpus, "GPU": self.gpus, "memory": memory, **self.custom}
        return {name: amount for name, amount in demand.items() if amount > 0}

    @property
    def limits(self) -> Limits:
        """What the process of one child may take."""
        memory = None if self.memory_gib is None else int(self.memory_gib * _GIB)
        return Limits(memory, self.gpus if 0 < self.gpus < 1 else None)

    def ray_options(self) -> dict[str, Any]:
        """The options of the Ray task that evaluates one child.

        Retries are the pool's, not Ray's: the time limit starts anew with each, and a child that was stopped for its
        time must not be started again. Ray keeps no worker with a GPU beyond one task unless ``max_calls`` is given.
        """
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "memory": self.limits.memory_bytes,
            "resources": dict(self.custom),
            "max_retries": 0,
            "max_calls": self.recycle_after,
            "num_returns": "streaming",
        }

    def count_workers(self, nodes: Iterable[Mapping[str, Any]]) -> int:
        """How many children fit on the nodes at a time.

        Args:
            nodes: as ``ray.nodes()`` lists them: those alive count, with ``Resources`` by name.
        """
        return sum(self._fitting(node["Resources"]) for node in nodes if node["Alive"])

    def _fitting(self, resources: Mapping[str, float]) -> int:
        return min(self._shares(name, resources.get(name, 0.0)) for name in self.demand)

    def _shares(self, name: str, amount: float) -> int:
        demand = self.demand[name]
        if name == "GPU" and demand < 1:  # a fraction never spans two GPUs
            return int(amount) * math.floor(1 / demand + _SLACK)
        return math.floor(amount / demand + _SLACK)
