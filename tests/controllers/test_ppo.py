"""PPO: what an update does to the policy, and that it learns; `test_contract` holds the rest."""

import statistics
from dataclasses import replace

import pytest

from controllers.ppo import PPO, PRESETS, PPOSettings
from nas.decisions import Choice
from search_spaces.nasnet import NASNET

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


def test_preset_has_the_controller_of_the_paper():
    """NASNet, 1707.07012, A.2; the space with one norm has its 50 predictions."""
    paper = PRESETS["nasnet"]
    assert (paper.learning_rate, paper.batch_size, paper.baseline_decay) == (0.00035, 20, 0.95)
    assert paper.entropy_weight == 1e-5
    assert paper.advantage == "difference"
    assert paper.replay_size == 0
    choices = replace(NASNET, norms=("bn",)).choices
    policy = PPO(choices, paper, seed=0)._policy
    assert len(choices) == 50
    assert policy.lstm.num_layers == 1
    assert policy.lstm.hidden_size == 100
    rows = [row for options in policy.options for row in range(options.start, options.stop)]
    assert sorted(rows) == list(range(sum(choice.num_options for choice in choices)))  # 50 softmaxes share nothing
    assert policy.decision.num_embeddings == len(rows) + 1
    assert not policy.choice.weight.any()
    others = [weight for weight in policy.parameters() if weight.requires_grad]
    assert all(0.099 < weight.abs().max() <= 0.1 for weight in others)


def test_the_paper_s_baseline_is_not_divided_by_the_deviation():
    controller = PPO(CHOICES, PRESETS["nasnet"], seed=0)
    for trial_id, reward in enumerate((0.5, 0.7)):
        controller.tell(*controller.ask([trial_id]), reward)
    mean = (0.95 * 0.5 + 0.7) / 1.95
    assert controller._advantage(controller._judge, 0.7) == pytest.approx(0.7 - mean)


def test_a_policy_gradient_needs_own_draws():
    """With weight 0 the update does not depend on the advantage of a rollout."""
    settings = PPOSettings(replay_size=0, batch_size=4)
    chosen = [[replace(rollout, weight=0.0) for rollout in PPO(CHOICES, seed=9).ask(range(4))]]
    probes = []
    for rewards in ((1.0, 2.0, 3.0, 4.0), (4.0, 3.0, 2.0, 1.0)):
        controller = PPO(CHOICES, settings, seed=0)
        for rollout, reward in zip(chosen[0], rewards, strict=True):
            controller.tell(rollout, reward)
        probes.append(controller.ask(range(100, 150)))
    assert probes[0] == probes[1]
