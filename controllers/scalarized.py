"""Lets a controller that learns from one reward take part in a search for a front."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.archive import Archive
from nas.decisions import Rollout
from nas.protocols import Controller


class Scalarized:
    """Tells the wrapped controller one number made of the values, with weights that differ from trial to trial.

    The number is that of `nas.fronts.scalarize` among all rollouts told so far; a failure is below every other by 1.

    Args:
        controller: the wrapped controller.
    """

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self._archive = Archive()

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes what the wrapped controller does."""
        return self.controller.ask(trial_ids, pending)

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Tells the wrapped controller."""
        self.controller.tell(rollout, reward)

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Tells the wrapped controller the score of the values for the weights of the trial."""
        self._archive.add(rollout.decisions, values)
        self.tell(rollout, float(self._archive.scores(self._archive.weights(trial_id))[-1]))
