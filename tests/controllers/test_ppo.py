"""PPO: what an update does to the policy, and that it learns; `test_contract` holds the rest."""

import statistics

import pytest

from controllers.ppo import PPO, PRESETS, PPOSettings
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
    finals = [statistics.mean(learn(PPO(CHOICES, seed=seed), 300, scale=scale, offset=offset)[-25:]) for seed in (0, 1)]
    assert min(finals) > 4


def test_nothing_is_learned_before_a_batch_is_full():
    controller, fresh = PPO(CHOICES, seed=0), PPO(CHOICES, seed=0)
    size = controller.settings.batch_size
    learn(controller, size - 1)
    assert controller.ask([999]) == fresh.ask([999])
    (rollout,) = controller.ask([size - 1])
    controller.tell(rollout, 100.0)
    assert controller.ask(range(999, 1030)) != fresh.ask(range(999, 1030))


def test_settings_are_used():
    slow, fast = (PPO(CHOICES, PPOSettings(learning_rate=rate), seed=0) for rate in (1e-6, 0.01))
    learn(slow, 100)
    learn(fast, 100)
    fresh = PPO(CHOICES, seed=0)
    probe = range(1000, 1200)

    def moved(controller):
        return sum(a.decisions != b.decisions for a, b in zip(controller.ask(probe), fresh.ask(probe), strict=True))

    assert moved(slow) < moved(fast)


def test_preset_has_the_values_of_the_paper():
    paper = PRESETS["nasnet"]
    assert (paper.learning_rate, paper.batch_size, paper.baseline_decay) == (0.00035, 20, 0.95)
    assert paper.entropy_weight == 1e-5


def test_repeats_are_drawn_again():
    numbers = []
    for num_redraws in (0, 10):
        controller, told = PPO(CHOICES, PPOSettings(learning_rate=0.05, num_redraws=num_redraws), seed=0), set()
        for trial_id in range(150):
            (rollout,) = controller.ask([trial_id])
            told.add(rollout.decisions)
            controller.tell(rollout, worth(rollout))
        numbers.append(len(told))
    assert numbers[1] > 1.5 * numbers[0], numbers
