"""Successive halving that keeps its decisions when a tournament is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

NAME, KEPT, STOPPED = "name", "kept", "stopped"
"""Keys of a result: its candidate, whether it is of an earlier session, and whether it stopped the candidate then."""


STOPPED_FILE = "stopped"
"""Marks a candidate as stopped, in its folder."""


class ResumedASHA(ASHAScheduler):
    """Asynchronous successive halving (ASHA, 1810.05934) whose decisions persist between sessions.

    ASHA's decisions depend on the order of the results. A resumed tournament reports the results of earlier sessions
    in another order, so they only fill the rungs: candidates stopped then are stopped again, all others continue.

    Args:
        max_t: Epochs of the full budget.
        grace_period: Epochs before the first decision.
        reduction_factor: Inverse of the fraction of candidates that continue beyond a rung.
        folder: Holds a folder for each candidate, named after it.
    """

    def __init__(self, *, max_t: int, grace_period: int, reduction_factor: float, folder: Path) -> None:
        super().__init__(max_t=max_t, grace_period=grace_period, reduction_factor=reduction_factor)
        self._full = max_t
        self._folder = folder

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ANN401 - Tune's
        """Called by Tune with each report of a candidate."""
        action: str = super().on_trial_result(tune_controller, trial, result)
        if result[KEPT]:
            return str(TrialScheduler.STOP if result[STOPPED] else TrialScheduler.CONTINUE)
        if action == TrialScheduler.STOP and result[self._time_attr] < self._full:
            (self._folder / result[NAME] / STOPPED_FILE).touch()
        return action
