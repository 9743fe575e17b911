"""Settings of a search that belong to no other layer: how long it lasts, and who measures."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class NoSettings:
    """The settings of what has none."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class SearchSettings:
    """How long a search lasts, and what its controller is told.

    Attributes:
        num_trials: trials of the finished run, failures and cached ones included. A run may be continued with more.
        seed: of the run: what is proposed, initial weights and augmentation all follow from it.
        failure_reward: what the controller is told of a failure; null tells it nothing.
        deterministic: whether rewards are told in the order of asking, in fixed batches, so that the sequence of
            architectures does not depend on the number of workers.
        ordered_batch: size of those batches.
    """

    num_trials: Annotated[int, Field(ge=1, le=10**7)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    failure_reward: float | None = 0.0
    deterministic: bool = False
    ordered_batch: Annotated[int, Field(ge=1)] = 20


@dataclass(frozen=True, slots=True, config=_STRICT)
class WorkerSettings:
    """Who measures, and what one trial may take.

    Attributes:
        pool: ``ray`` measures on a Ray cluster, ``serial`` in this process.
        address: of a running Ray cluster, ``auto`` or ``HOST:PORT``; null starts Ray on this machine.
        num_workers: most trials in flight; null means as many as the cluster holds.
        cpus: CPU cores a trial asks for.
        gpus: GPUs a trial asks for; a fraction shares one.
        resources: custom Ray resources a trial asks for.
        memory_gib: most memory of a trial in GiB.
        time_limit_seconds: most seconds of a trial.
        max_retries: how often a trial whose worker or node was lost is tried again.
        trials_per_worker: after how many trials a worker process is replaced.
        keep_weights: of how many of the best trials the weights are kept.
        max_parameters: architectures with more trainable parameters are not trained: failures of kind ``too_large``.
        max_multiply_adds: the same for multiply-adds of one image.
    """

    pool: Literal["ray", "serial"] = "ray"
    address: str | None = None
    num_workers: Annotated[int | None, Field(ge=1)] = None
    cpus: Annotated[float, Field(ge=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    resources: dict[str, Annotated[float, Field(ge=0)]] = dataclasses.field(default_factory=dict)
    memory_gib: Annotated[float | None, Field(gt=0)] = None
    time_limit_seconds: Annotated[float | None, Field(gt=0)] = None
    max_retries: Annotated[int, Field(ge=0)] = 3
    trials_per_worker: Annotated[int, Field(ge=1)] = 50
    keep_weights: Annotated[int, Field(ge=0)] = 10
    max_parameters: Annotated[int | None, Field(ge=1)] = None
    max_multiply_adds: Annotated[int | None, Field(ge=1)] = None
