"""The sections ``search``, ``shifts`` and ``trackers`` of a search."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.rungs import Rungs
from nas.shifts.measure import ShiftPlan
from nas.shifts.table import check_disjoint, check_shifts

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class SearchSettings:
    """How long a search lasts, and what its controller is told.

    Attributes:
        num_trials: Trials of the finished run, failures and cached ones included. May grow when a run is resumed.
        seed: Of the run: proposals, initial weights and augmentation follow from it.
        failure_reward: The reward of a failure; null tells the controller nothing.
        deterministic: Whether rewards are told in fixed batches, so that the number of workers changes no proposal.
        ordered_batch: Size of those batches.
        rungs: Early stopping by successive halving: epochs of the rungs, or of the first one, eta, and scores for one
            before any training; see `nas.rungs.Rungs`. null: none.
        max_first_failures: The search stops if this many first trials of a session all fail for the same reason; null
            never stops it.
    """

    num_trials: Annotated[int, Field(ge=1, le=10**7)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    failure_reward: float | None = 0.0
    deterministic: bool = False
    ordered_batch: Annotated[int, Field(ge=1)] = 20
    rungs: Rungs | None = None

    @property
    def batch(self) -> int | None:
        """Size of the batches of a deterministic search, else None."""
        return self.ordered_batch if self.deterministic else None

    max_first_failures: Annotated[int | None, Field(ge=2)] = 5


@dataclass(frozen=True, slots=True, config=_STRICT)
class ShiftSettings:
    """Two disjoint sets of shifts: a network selected on the shifts of the test would bias it.

    Attributes:
        reward: Evaluated on the validation images of every trial; the reward ``shifted_accuracy`` uses their mean.
        test: Evaluated by `nas robustness RUN` only, in no trial.
        severity: Of the shifts of the reward, 1 to 5.
        seed: Of the random numbers of the shifts.
    """

    reward: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    severity: Annotated[int, Field(ge=1, le=5)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    def __post_init__(self) -> None:
        check_shifts(self.reward)
        check_shifts(self.test)
        check_disjoint(self.reward, self.test)

    @property
    def plan(self) -> ShiftPlan | None:
        """Shifts evaluated in every trial, or None."""
        return ShiftPlan(self.reward, self.severity, self.seed) if self.reward else None

    def check_fits(self, *, reward_name: str, num_channels: int) -> None:
        """Raises ValueError if the reward needs shifts and there are none, or a shift does not support the images."""
        if reward_name == "shifted_accuracy" and not self.reward:
            raise ValueError("reward shifted_accuracy needs at least one shift in shifts.reward")
        check_shifts((*self.reward, *self.test), num_channels=num_channels)


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
