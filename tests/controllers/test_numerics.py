import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from controllers import numerics, surrogate
from controllers.numerics import flush_denormals, one_thread
from controllers.policy import Policy
from controllers.ppo import PPO, PPOSettings
from controllers.reinforce import Reinforce, ReinforceSettings
from controllers.surrogate import Surrogate, SurrogateSettings
from nas.decisions import Choice
from search_spaces.tiny import TINY

CHOICES = (Choice("a", "x", 2), Choice("b", "y", 3))


def num_threads():
    """Of the libraries that were loaded when the controllers first computed; others are not theirs."""
    theirs = {library["filepath"] for library in numerics._libraries().info()}
    return {library["num_threads"] for library in threadpool_info() if library["filepath"] in theirs}


def test_matrix_products_have_one_thread_within_the_block_only():
    with threadpool_limits(2):
        assert num_threads() == {2}
        with one_thread():
            assert num_threads() == {1}
            assert torch.get_num_threads() == 1
        assert num_threads() == {2}


def watched(monkeypatch, owner, name, found):
    inner = getattr(owner, name)

    def call(*args, **kwargs):
        found.append(num_threads())
        return inner(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(
    "build",
    [
        lambda: PPO(TINY.choices, PPOSettings(batch_size=2), seed=0),
        lambda: Reinforce(TINY.choices, ReinforceSettings(batch_size=2), seed=0),
        lambda: Surrogate(PPO(TINY.choices, seed=0), TINY, SurrogateSettings(num_plain=1, plain_share=0.0), seed=0),
    ],
    ids=["ppo", "reinforce", "surrogate"],
)
def test_controllers_draw_and_learn_in_one_thread(monkeypatch, build):
    found = []
    watched(monkeypatch, Policy, "_log_probs", found)
    watched(monkeypatch, surrogate, "fit_hyperparameters", found)
    controller = build()
    with threadpool_limits(2):
        for trial_id in range(24):
            (rollout,) = controller.ask([trial_id])
            controller.tell(rollout, trial_id / 24)
    assert len(found) >= 24
    assert all(each == {1} for each in found)


def test_denormal_gradients_are_flushed_within_the_block_only():
    small = torch.tensor(1e-40)
    assert small * 1.0 != 0
    policy = Policy(CHOICES, seed=0)
    optimizer = torch.optim.SGD(policy.parameters(), lr=1e38)
    before = [weight.clone() for weight in policy.parameters()]
    with flush_denormals():
        scores, _ = policy.score(torch.tensor([[0, 1]]))
        policy.ascend(optimizer, 1e-40 * scores.sum(), gradient_clip=1.0)
    assert all(torch.equal(weight, old) for weight, old in zip(policy.parameters(), before, strict=True))
    assert small * 1.0 != 0
