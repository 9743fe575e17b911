"""The sections ``search`` and ``trackers``."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class SearchSettings:
    """How long a search lasts, and what its controller is told.

    Attributes:
        num_trials: Trials of the finished run, failures and cached ones included. May grow when a run is resumed.
        seed: Of the run: proposals, initial weights and augmentation follow from it.
        failure_reward: The reward of a failure; null tells the controller nothing.
        deterministic: Whether rewards are told in the order of asking, in fixed batches, so that the sequence of
            architectures does not depend on the number of workers.
        ordered_batch: Size of those batches.
    """

    num_trials: Annotated[int, Field(ge=1, le=10**7)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    failure_reward: float | None = 0.0
    deterministic: bool = False
    ordered_batch: Annotated[int, Field(ge=1)] = 20


@dataclass(frozen=True, slots=True, config=_STRICT)
class TrackerSettings:
    """Experiment trackers beside the ledger. Each needs the optional dependency of its name.

    Attributes:
        tensorboard: Whether to write ``tensorboard/`` into the run folder.
        mlflow: Whether to log to MLflow; ``mlflow.json`` in the run folder holds the id of the MLflow run.
        mlflow_uri: Of the MLflow server or database; null uses MLflow's own setting, ``MLFLOW_TRACKING_URI``.
        mlflow_experiment: Name of the MLflow experiment.
    """

    tensorboard: bool = False
    mlflow: bool = False
    mlflow_uri: str | None = None
    mlflow_experiment: Annotated[str, Field(min_length=1)] = "nas-engine"
