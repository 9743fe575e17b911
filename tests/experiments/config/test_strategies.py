from __future__ import annotations

import pytest

from controllers.scalarized import Scalarized
from controllers.surrogate import SurrogateSettings
from experiments.config.strategies import CONTROLLERS, build_controller
from nas.decisions import Rollout
from nas.plugins import plug_in
from nas.protocols import FrontController
from search_spaces.tiny import TINY


@pytest.mark.parametrize("wrapper", ["none", "fresh", "surrogate"])
@pytest.mark.parametrize("name", sorted(CONTROLLERS))
def test_every_controller_in_every_wrapper_seeks_a_front(name, wrapper):
    settings = SurrogateSettings(num_plain=2, num_draws=2, num_uniform=2) if wrapper == "surrogate" else None
    controller = build_controller(TINY, (name, None), (wrapper, settings), seed=0, num_objectives=2)
    assert isinstance(controller, FrontController)
    for trial_id in range(12):
        (rollout,) = controller.ask([trial_id])
        total = sum(rollout.decisions)
        controller.tell_values(trial_id, rollout, (total, -total) if trial_id else (float("-inf"),) * 2)
    assert controller.ask([12]) == controller.ask([12])


def test_a_controller_of_rewards_from_outside_is_told_a_number():
    class Fixed:
        def __init__(self, choices, *, seed):
            self.number = len(choices)

        def ask(self, trial_ids, pending=()):
            return [Rollout((0,) * self.number, 0.0) for _ in trial_ids]

        def tell(self, rollout, reward):
            pass

    name = plug_in(Fixed, "tests:Fixed")
    assert isinstance(build_controller(TINY, (name, None), ("none", None), seed=0, num_objectives=2), Scalarized)
