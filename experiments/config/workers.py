"""The section ``workers``: how many Ray workers run at a time, and what each of them gets."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from workers.cluster.resources import WorkerResources, check_address

if TYPE_CHECKING:
    from workers.jobs.data_parallel import ParallelWorkers

Address = Annotated[str | None, AfterValidator(check_address)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class RuntimeEnv:
    """What Ray prepares on each node for the workers of a search, beside the packages of this project.

    Attributes:
        env_vars: Environment variables, such as ``NAS_CACHE`` or a proxy.
        pip: Packages to install, as for ``pip install``.
        working_dir: A folder that is sent to the nodes and in which the workers run.
        py_modules: Further Python packages, as folders or wheels.
        excludes: Files of the folders that are not sent, as in a ``.gitignore``.
    """

    env_vars: dict[str, str] = dataclasses.field(default_factory=dict)
    pip: list[str] = dataclasses.field(default_factory=list)
    working_dir: str | None = None
    py_modules: list[str] = dataclasses.field(default_factory=list)
    excludes: list[str] = dataclasses.field(default_factory=list)

    def to_ray(self) -> dict[str, Any]:
        """Returns what ``ray.init`` takes, without empty entries."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value}


@dataclass(frozen=True, slots=True, config=_STRICT)
class SearchWorkers:
    """The workers of a search; each trains one trial at a time.

    Attributes:
        pool: ``ray`` runs trials on a Ray cluster, ``serial`` in this process, which cannot stop a trial that hangs.
        address: Of a running Ray cluster, ``auto`` or ``HOST:PORT``; null starts Ray on this machine.
        dashboard: Whether a Ray that is started here serves its dashboard.
        runtime_env: What Ray prepares on the nodes: environment variables, packages, a working directory.
        num_workers: Maximum number of workers at a time; null uses the whole cluster.
        min_workers: Trials submitted at a time even while the cluster is smaller, so that an autoscaler adds nodes.
        cpus: Logical CPUs of a worker.
        gpus: GPUs of a worker; a fraction shares one.
        resources: Custom Ray resources of a worker, by name.
        memory_gib: Memory limit of a worker, GiB.
        time_limit_seconds: Time limit of a trial, seconds.
        max_retries: How often a trial is restarted after its worker or node was lost.
        recycle_after: Trials after which a worker process is replaced; 0 never replaces it.
        keep_weights: Number of best trials whose weights are kept.
        max_parameters: Larger networks are not trained: failures of kind ``too_large``.
        max_multiply_adds: The same for multiply-adds of one image.
    """

    pool: Literal["ray", "serial"] = "ray"
    address: Address = None
    dashboard: bool = False
    runtime_env: RuntimeEnv = RuntimeEnv()
    num_workers: Annotated[int | None, Field(ge=1, le=10_000)] = None
    min_workers: Annotated[int, Field(ge=1, le=10_000)] = 1
    cpus: Annotated[float, Field(ge=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    resources: dict[str, Annotated[float, Field(gt=0)]] = dataclasses.field(default_factory=dict)
    memory_gib: Annotated[float | None, Field(gt=0)] = None
    time_limit_seconds: Annotated[float | None, Field(gt=0)] = None
    max_retries: Annotated[int, Field(ge=0, le=1000)] = 3
    recycle_after: Annotated[int, Field(ge=0)] = 0
    keep_weights: Annotated[int, Field(ge=0)] = 10
    max_parameters: Annotated[int | None, Field(ge=1)] = None
    max_multiply_adds: Annotated[int | None, Field(ge=1)] = None

    def __post_init__(self) -> None:
        if self.pool == "serial" and not (self.time_limit_seconds is None and self.memory_gib is None):
            raise ValueError(
                "pool serial cannot limit time or memory: use pool ray, or remove the limits with "
                "--set workers.time_limit_seconds=null --set workers.memory_gib=null"
            )
        try:
            self.each()
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    def each(self) -> WorkerResources:
        """What each worker gets."""
        return WorkerResources(
            cpus=self.cpus,
            gpus=self.gpus,
            memory_gib=self.memory_gib,
            custom=self.resources,
            time_limit_seconds=self.time_limit_seconds,
            max_retries=self.max_retries,
            recycle_after=self.recycle_after,
            min_workers=self.min_workers,
            max_workers=self.num_workers,
        )

    def connection(self) -> dict[str, Any]:
        """The arguments of `workers.cluster.connection.connect`; a Ray that is started has CPUs for `num_workers`."""
        return {
            "address": self.address,
            "num_cpus": None if self.num_workers is None else max(1, math.ceil(self.num_workers * self.cpus)),
            "dashboard": self.dashboard,
            "runtime_env": self.runtime_env.to_ray(),
        }


@dataclass(frozen=True, slots=True, config=_STRICT)
class TrainingWorkers:
    """The workers of one training, which share every batch.

    Attributes:
        num_workers: Number of workers at a time; 1 without an address trains in this process.
        address: Of a running Ray cluster, ``auto`` or ``HOST:PORT``; null starts Ray on this machine.
        cpus: Logical CPUs of a worker.
        gpus: GPUs of a worker, 0 or 1; null means 1 where this machine has GPUs.
    """

    num_workers: Annotated[int, Field(ge=1, le=10_000)] = 1
    address: Address = None
    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[int | None, Field(ge=0, le=1)] = None

    @property
    def is_local(self) -> bool:
        """Whether the training runs in this process."""
        return self.num_workers == 1 and self.address is None

    def parallel(self) -> ParallelWorkers:
        """The workers as `workers.jobs.data_parallel.train_in_parallel` takes them."""
        from workers.jobs.data_parallel import ParallelWorkers

        return ParallelWorkers(self.num_workers, WorkerResources(cpus=self.cpus, gpus=_gpus(self.gpus)), self.address)

    def check_batch(self, batch_size: int, accumulate: int = 1) -> None:
        """Raises ValueError if the workers cannot share a batch evenly, or divide their share into equal parts."""
        if batch_size % self.num_workers:
            raise ValueError(
                f"recipe.batch_size must be divisible by the number of workers, {self.num_workers}, got {batch_size}"
            )
        part = batch_size // self.num_workers
        if part % accumulate:
            raise ValueError(
                f"recipe.accumulate must divide a worker's part of recipe.batch_size, {part}, got {accumulate}"
            )


@dataclass(frozen=True, slots=True, config=_STRICT)
class StudyWorkers:
    """The workers of several trainings, each of which has one; see `TrainingWorkers`.

    Attributes:
        num_workers: Maximum number of workers at a time; null uses the whole cluster.
        address: Of a running Ray cluster, ``auto`` or ``HOST:PORT``; null starts Ray on this machine.
        cpus: Logical CPUs of a worker.
        gpus: GPUs of a worker, 0 or 1; null means 1 where this machine has GPUs.
        max_retries: How often a training is resumed after its worker or node was lost.
    """

    num_workers: Annotated[int | None, Field(ge=1, le=10_000)] = None
    address: Address = None
    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[int | None, Field(ge=0, le=1)] = None
    max_retries: Annotated[int, Field(ge=0, le=1000)] = 3

    def each(self) -> WorkerResources:
        """What each worker gets."""
        gpus, retries = _gpus(self.gpus), self.max_retries
        return WorkerResources(
            self.cpus, gpus, max_retries=retries, recycle_after=int(gpus > 0), max_workers=self.num_workers
        )


def _gpus(asked: int | None) -> int:
    import torch

    return int(torch.cuda.is_available()) if asked is None else asked
