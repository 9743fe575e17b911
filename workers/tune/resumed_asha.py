"""Successive halving that stands by what it has decided when a tournament goes on after an interruption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

NAME, KEPT, STOPPED = "name", "kept", "stopped"
"""Keys of a result: whose it is, whether an earlier session has heard it, and whether it stopped the candidate then."""


@dataclass(frozen=True, slots=True)
class Stops:
    """Who has lost, kept in the candidates' folders.

    Attributes:
        folder: with a folder for each candidate, of its name.
    """

    folder: Path

    def __contains__(self, name: str) -> bool:
        return self._file(name).exists()

    def add(self, name: str) -> None:
        """Keeps that a candidate has lost."""
        self._file(name).touch()

    def _file(self, name: str) -> Path:
        return self.folder / name / "stopped"


class ResumedASHA(ASHAScheduler):
    """Asynchronous successive halving (ASHA, 1810.05934) whose decisions outlive its process.

    Its decisions depend on the order in which results come. What earlier sessions have kept comes all at once, in
    another order, so those results only fill the rungs again: who was stopped then stops, all others go on.

    Args:
        max_t: epochs of the full budget.
        grace_period: epochs before the first decision.
        reduction_factor: one in so many goes on beyond a rung.
        stops: where those are kept that are stopped before the full budget.
    """

    def __init__(self, *, max_t: int, grace_period: int, reduction_factor: float, stops: Stops) -> None:
        super().__init__(max_t=max_t, grace_period=grace_period, reduction_factor=reduction_factor)
        self._full = max_t
        self._stops = stops

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ANN401 - Tune's
        """Called by Tune with what a candidate reports."""
        action: str = super().on_trial_result(tune_controller, trial, result)
        if result[KEPT]:
            return str(TrialScheduler.STOP if result[STOPPED] else TrialScheduler.CONTINUE)
        if action == TrialScheduler.STOP and result[self._time_attr] < self._full:
            self._stops.add(result[NAME])
        return action
