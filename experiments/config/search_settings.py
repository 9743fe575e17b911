"""Settings of a search that belong to no other layer: how long it lasts, and who measures."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from workers.cluster.resources import RayResources

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


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
class RuntimeEnv:
    """What Ray prepares on each node for the workers of a search, beside the packages of this project.

    Attributes:
        env_vars: environment variables, such as ``NAS_CACHE`` or a proxy.
        pip: further packages to install, as for ``pip install``.
        working_dir: a folder that is sent to the nodes and in which the workers run.
        py_modules: further packages of Python, as folders or wheels.
        excludes: files of the folders that are not sent, in the words of a ``.gitignore``.
    """

    env_vars: dict[str, str] = dataclasses.field(default_factory=dict)
    pip: list[str] = dataclasses.field(default_factory=list)
    working_dir: str | None = None
    py_modules: list[str] = dataclasses.field(default_factory=list)
    excludes: list[str] = dataclasses.field(default_factory=list)

    def to_ray(self) -> dict[str, Any]:
        """Returns what ``ray.init`` takes, without what is empty."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value}


@dataclass(frozen=True, slots=True, config=_STRICT)
class TrackerSettings:
    """Where the course of a search is shown beside its ledger. Each tracker needs the extra of its name.

    Attributes:
        tensorboard: whether to write ``tensorboard/`` into the run's folder.
        mlflow: whether to keep a run of MLflow; the folder's ``mlflow.json`` says which.
        mlflow_uri: of MLflow's server or database; null takes MLflow's own setting, ``MLFLOW_TRACKING_URI``.
        mlflow_experiment: its name there.
    """

    tensorboard: bool = False
    mlflow: bool = False
    mlflow_uri: str | None = None
    mlflow_experiment: Annotated[str, Field(min_length=1)] = "nas-engine"


@dataclass(frozen=True, slots=True, config=_STRICT)
class WorkerSettings:
    """Who measures, and what one trial may take.

    Attributes:
        pool: ``ray`` measures on a Ray cluster, ``serial`` in this process, which cannot stop a trial that hangs.
        address: of a running Ray cluster, ``auto`` or ``HOST:PORT``; null starts Ray on this machine.
        dashboard: whether a Ray that is started here serves its dashboard.
        runtime_env: what Ray prepares on the nodes: environment variables, packages, a working directory.
        num_workers: most trials measured at a time; null means as many as the cluster holds.
        min_workers: trials submitted at a time even while the cluster holds fewer: what an autoscaler acts on.
        cpus: CPUs that a trial asks for.
        gpus: GPUs that a trial asks for; a fraction shares one.
        resources: custom Ray resources that a trial asks for, by name.
        memory_gib: most memory of a trial.
        time_limit_seconds: most seconds of a trial.
        max_retries: how often a trial whose worker or node was lost is started again.
        recycle_after: trials after which a worker process is replaced; 0 keeps it for good.
        keep_weights: of how many of the best trials the weights are kept.
        max_parameters: architectures with more trainable parameters are not trained: failures of kind ``too_large``.
        max_multiply_adds: the same for multiply-adds of one image.
    """

    pool: Literal["ray", "serial"] = "ray"
    address: str | None = None
    dashboard: bool = False
    runtime_env: RuntimeEnv = RuntimeEnv()
    num_workers: Annotated[int | None, Field(ge=1)] = None
    min_workers: Annotated[int, Field(ge=1)] = 1
    cpus: Annotated[float, Field(ge=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    resources: dict[str, Annotated[float, Field(gt=0)]] = dataclasses.field(default_factory=dict)
    memory_gib: Annotated[float | None, Field(gt=0)] = None
    time_limit_seconds: Annotated[float | None, Field(gt=0)] = None
    max_retries: Annotated[int, Field(ge=0)] = 3
    recycle_after: Annotated[int, Field(ge=0)] = 0
    keep_weights: Annotated[int, Field(ge=0)] = 10
    max_parameters: Annotated[int | None, Field(ge=1)] = None
    max_multiply_adds: Annotated[int | None, Field(ge=1)] = None

    def __post_init__(self) -> None:
        if self.pool == "serial" and not (self.time_limit_seconds is None and self.memory_gib is None):
            raise ValueError(
                "pool serial cannot limit time or memory: use pool ray, or take the limits away with "
                "--set workers.time_limit_seconds=null --set workers.memory_gib=null"
            )
        try:
            self.ray_resources()
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    def ray_resources(self) -> RayResources:
        """What each trial gets of the cluster."""
        return RayResources(
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
        """The arguments of `workers.cluster.connection.connect`."""
        return {
            "address": self.address,
            "num_cpus": self.local_cpus,
            "dashboard": self.dashboard,
            "runtime_env": self.runtime_env.to_ray(),
        }

    @property
    def local_cpus(self) -> int | None:
        """Logical CPUs of a Ray that is started here: enough for the workers asked for, else those of the machine."""
        return None if self.num_workers is None else max(1, math.ceil(self.num_workers * self.cpus))
