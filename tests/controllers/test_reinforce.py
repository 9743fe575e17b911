"""Reinforce: what an update does to the policy, and that it learns; `test_contract` holds the rest."""

import statistics

import pytest

from controllers.reinforce import Reinforce, ReinforceSettings
from nas.decisions import Choice

CHOICES = tuple(Choice(str(place), ("op", "source")[place % 2], 3 + place % 2) for place in range(8))


def worth(rollout):
    """How many decisions are the first option: 2.33 of 8 on average where all are equally likely."""
    return float(sum(decision == 0 for decision in rollout.decisions))


def learn(controller, num_trials, *, scale=1.0, offset=0.0):
    """Tells so many trials one by one; returns their worths."""
    worths = []
    for trial_id in range(num_trials):
        (rollout,) = controller.ask([trial_id])
        worths.append(worth(rollout))
        controller.tell(rollout, scale * worth(rollout) + offset)
    return worths


@pytest.mark.parametrize(("scale", "offset"), [(0.01, 0.9), (1000.0, -5000.0)])
def test_learns_whatever_the_scale_of_rewards(scale, offset):
    # Uniform draws keep a mean of 2.33 with standard deviation 0.25 over 25 trials; 4 lies six of those above.
    finals = [
        statistics.mean(learn(Reinforce(CHOICES, seed=seed), 300, scale=scale, offset=offset)[-25:]) for seed in (0, 1)
    ]
    assert min(finals) > 4


def test_nothing_is_learned_before_a_batch_is_full():
    controller, fresh = Reinforce(CHOICES, seed=0), Reinforce(CHOICES, seed=0)
    size = controller.settings.batch_size
    learn(controller, size - 1)
    assert controller.ask([999]) == fresh.ask([999])
    (rollout,) = controller.ask([size - 1])
    controller.tell(rollout, 100.0)
    assert controller.ask(range(999, 1030)) != fresh.ask(range(999, 1030))


def test_settings_are_used():
    slow, fast = (Reinforce(CHOICES, ReinforceSettings(learning_rate=rate), seed=0) for rate in (1e-6, 0.01))
    learn(slow, 100)
    learn(fast, 100)
    fresh = Reinforce(CHOICES, seed=0)
    probe = range(1000, 1200)

    def moved(controller):
        return sum(a.decisions != b.decisions for a, b in zip(controller.ask(probe), fresh.ask(probe), strict=True))

    assert moved(slow) < moved(fast)
