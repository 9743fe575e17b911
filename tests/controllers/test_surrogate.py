"""The surrogate: when it chooses, what it chooses, and that it finds more than what it wraps."""

import statistics

import pytest

from controllers.fresh import extra_ids
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import RegularizedEvolution
from controllers.reward_model import RewardModel
from controllers.surrogate import Surrogate, SurrogateSettings
from nas.decisions import Rollout
from search_spaces.nasbench201 import EdgeSpace

SPACE = EdgeSpace(("a", "b", "c", "d"), num_nodes=5)  # 10 choices of four
QUICK = SurrogateSettings(num_plain=8, num_draws=12)


def worth(rollout):
    return float(sum(decision == 3 for decision in rollout.decisions))


def run(controller, number, first=0):
    """Asks and tells one by one; returns the rollouts."""
    rollouts = []
    for trial_id in range(first, first + number):
        rollouts += controller.ask([trial_id])
        controller.tell(rollouts[-1], worth(rollouts[-1]))
    return rollouts


@pytest.mark.parametrize("build", [RandomSearch, RegularizedEvolution])
def test_finds_more_than_what_it_wraps(build):
    """80 random trials of 10 choices have a best of about 6.5 and never 9; the surrogate has 9 or 10."""
    bare, chosen = [], []
    for seed in range(2):
        bare.append(max(map(worth, run(build(SPACE.choices, seed=seed), 60))))
        chosen.append(max(map(worth, run(Surrogate(build(SPACE.choices, seed=seed), SPACE, seed=seed), 60))))
    assert statistics.mean(chosen) > statistics.mean(bare) + 0.9


def test_the_first_trials_and_a_share_of_the_others_are_plain():
    settings = SurrogateSettings(num_plain=8, num_draws=5, plain_share=0.25, learn_from_chosen=False)
    rollouts = run(Surrogate(RandomSearch(SPACE.choices, seed=0), SPACE, settings, seed=0), 108)
    weights = [rollout.weight for rollout in rollouts]
    assert weights[:8] == [1.0] * 8
    assert 10 <= sum(weights[8:]) <= 40  # 25 with a standard deviation of 4.3
    assert len({rollout.decisions for rollout in rollouts}) == 108


@pytest.mark.parametrize("learn_from_chosen", [True, False])
def test_a_policy_may_learn_from_its_own_chosen_draws_and_never_from_other_candidates(learn_from_chosen):
    settings = SurrogateSettings(
        num_plain=8, plain_share=0.0, num_draws=2, num_mutants=1, num_uniform=1, learn_from_chosen=learn_from_chosen
    )
    inner = RandomSearch(SPACE.choices, seed=0)
    rollouts = run(Surrogate(inner, SPACE, settings, seed=0), 48)[8:]
    own = [rollout in inner.ask(extra_ids(8 + place, 2)) for place, rollout in enumerate(rollouts)]
    draws = [
        rollout.decisions in [each.decisions for each in inner.ask(extra_ids(8 + place, 2))]
        for place, rollout in enumerate(rollouts)
    ]
    assert 0 < sum(draws) < 40
    assert own == (draws if learn_from_chosen else [False] * 40)
    assert [rollout.weight for rollout in rollouts] == [float(each) for each in own]


class Collapsed:
    """Proposes the same rollout for ever."""

    def ask(self, trial_ids, pending=()):
        return [Rollout((0,) * 10, -0.1) for _ in trial_ids]

    def tell(self, rollout, reward):
        pass


def test_uniform_candidates_free_the_search_from_a_collapsed_policy():
    """Changes of (0, ..., 0) alone would have to find the right ones among 3 ** 10 by single steps."""
    settings = SurrogateSettings(num_plain=8, num_uniform=25)
    rollouts = run(Surrogate(Collapsed(), SPACE, settings, seed=0), 60)
    assert max(map(worth, rollouts)) >= 6  # uniform draws alone have a best of 6.2; the first 8 trials at most 1
    assert max(map(worth, rollouts[:8])) <= 1


@pytest.mark.parametrize("over", ["reward", "mean"])
def test_improvement_is_over_the_best_reward_or_the_best_posterior_mean(monkeypatch, over):
    used = []
    plain = RewardModel.expected_improvement
    monkeypatch.setattr(RewardModel, "expected_improvement", lambda *given: used.append(given) or plain(*given))
    settings = SurrogateSettings(num_plain=8, num_draws=5, plain_share=0.0, improvement_over=over)
    surrogate = Surrogate(RandomSearch(SPACE.choices, seed=0), SPACE, settings, seed=0)
    for place, rollout in enumerate(run(surrogate, 8)):
        surrogate.tell(rollout, 2.0 * place)  # another reward for the same, so that the model sees noise
    surrogate.ask([8])
    ((model, _, best),) = used
    assert model.best_score == pytest.approx(1.8627, abs=1e-4)  # normal quantile of 15.5 / 16
    assert model.best_mean < 1.8
    assert best == (model.best_score if over == "reward" else model.best_mean)


def test_rollouts_in_flight_are_not_proposed_again_with_or_without_thompson_sampling():
    surrogate = Surrogate(RandomSearch(SPACE.choices, seed=0), SPACE, QUICK, seed=0)
    run(surrogate, 20)
    pending = []
    for trial_id in range(20, 50):
        pending += surrogate.ask([trial_id], pending)
    assert len({rollout.decisions for rollout in pending}) == 30


def test_thompson_sampling_replaces_expected_improvement_with_many_in_flight(monkeypatch):
    used = []
    for name in ("draw", "expected_improvement"):
        plain = getattr(RewardModel, name)
        monkeypatch.setattr(
            RewardModel, name, lambda *given, name=name, plain=plain: used.append(name) or plain(*given)
        )
    settings = SurrogateSettings(num_plain=8, num_draws=5, num_parallel=3, plain_share=0.0)
    surrogate = Surrogate(RandomSearch(SPACE.choices, seed=0), SPACE, settings, seed=0)
    run(surrogate, 8)
    pending = surrogate.ask(range(100, 104))
    assert used == ["expected_improvement"] * 3 + ["draw"]
    surrogate.ask([104], pending[:2])
    surrogate.ask([104], pending[:3])
    assert used[4:] == ["expected_improvement", "draw"]


def test_resuming_repeats_every_proposal_though_rewards_of_one_architecture_differ():
    told = []
    first = Surrogate(RandomSearch(SPACE.choices, seed=0), SPACE, QUICK, seed=0)
    for trial_id in range(40):
        (rollout,) = first.ask([trial_id])
        told.append((rollout, worth(rollout)))
        if trial_id % 7 == 6:
            told.append((told[3][0], float(trial_id)))
        for each in told[-1 - (trial_id % 7 == 6) :]:
            first.tell(*each)
    second = Surrogate(RandomSearch(SPACE.choices, seed=0), SPACE, QUICK, seed=0)
    for each in told:
        second.tell(*each)
    assert second.ask(range(40, 50)) == first.ask(range(40, 50))


def test_a_small_space_is_searched_to_its_end():
    space = EdgeSpace(("a", "b"), num_nodes=3)  # 8 cells
    surrogate = Surrogate(
        RandomSearch(space.choices, seed=0), space, SurrogateSettings(num_plain=2, num_draws=4), seed=0
    )
    assert len({rollout.decisions for rollout in run(surrogate, 8)}) == 8
    run(surrogate, 5, first=8)


def test_the_model_learns_from_a_bounded_number_of_rewards():
    settings = SurrogateSettings(num_plain=8, num_rewards=10, num_draws=12)
    surrogate = Surrogate(RandomSearch(SPACE.choices, seed=0), SPACE, settings, seed=0)
    rollouts = RandomSearch(SPACE.choices, seed=1).ask(range(200))
    for rollout in rollouts:
        surrogate.tell(rollout, worth(rollout))
    model, best = surrogate._fit(None)
    assert len(model._weights) == 10
    assert max(map(worth, rollouts)) == worth(Rollout(best[0], 0.0))
