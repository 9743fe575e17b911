from __future__ import annotations

import numpy as np

from controllers.scalarized import Scalarized
from nas.decisions import Rollout
from nas.protocols import FrontController


class Recorder:
    """A controller of one reward."""

    def __init__(self):
        self.rewards = []

    def ask(self, trial_ids, pending=()):
        return [Rollout((0,), 0.0) for _ in trial_ids]

    def tell(self, rollout, reward):
        self.rewards.append(reward)


def test_a_controller_of_rewards_is_told_one_number_for_each_trial():
    inner = Recorder()
    controller = Scalarized(inner)
    assert not isinstance(inner, FrontController)
    assert isinstance(controller, FrontController)
    for trial_id, values in enumerate([(0.0, 1.0), (1.0, 0.0), (-np.inf, -np.inf), (1.0, 1.0)]):
        controller.tell_values(trial_id, *controller.ask([trial_id]), values)
    assert len(inner.rewards) == 4
    assert inner.rewards[2] == min(inner.rewards)
    assert inner.rewards[3] == max(inner.rewards)
