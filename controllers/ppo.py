"""Proximal policy optimization (1707.06347), the controller of NASNet (1707.07012, appendix A.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from controllers.baseline import Baseline
from controllers.policy import Policy, flush_denormals
from controllers.ranking import Ranking
from nas.decisions import Choice, Rollout

_MAX_LOG_RATIO = 20.0  # larger ones overflow float32, and infinity times 0 is NaN


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class PPOSettings:
    """Settings of `PPO`.

    The defaults are for hundreds of trials, in any space; the preset ``nasnet`` holds the paper's values, for 20,000.
    ``results/controllers.md`` shows what each of them contributes.

    Attributes:
        learning_rate: learning rate of Adam.
        batch_size: rollouts per update.
        num_epochs: gradient steps per update, each over the complete batch.
        clip: how far the ratio of new to old probability of a rollout may leave 1 before its gradient is cut off.
        entropy_weight: weight of the mean entropy of a decision, in nats, in the objective.
        gradient_clip: maximum global norm of the gradient.
        advantage: ``rank`` of a reward among the last ones; ``baseline``: distance from their moving average in running
            standard deviations; ``difference``: the same distance without that division, as in the paper.
        rank_window: number of last rewards that a reward is ranked among.
        rank_greed: how much more the best ranks weigh (see `controllers.ranking.Ranking`).
        baseline_decay: share of the moving average that each new reward leaves unchanged.
        replay_size: number of best rollouts so far whose log-probability each step increases too.
        replay_weight: weight of their mean log-probability in the objective.
        choice_embedding: whether the LSTM reads which choice is current.
        shared: whether choices of a kind share decision embeddings and softmax; else each has its own, as in the paper.

    Example:
        >>> import nas
        >>> nas.PPO(nas.TINY.choices, nas.PPOSettings(batch_size=5), seed=0).ask([0])[0].log_prob < 0
        True
    """

    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    batch_size: Annotated[int, Field(ge=1)] = 10
    num_epochs: Annotated[int, Field(ge=1)] = 2
    clip: Annotated[float, Field(gt=0)] = 0.2
    entropy_weight: Annotated[float, Field(ge=0)] = 0.05
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    advantage: Literal["rank", "baseline", "difference"] = "rank"
    rank_window: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    rank_greed: Annotated[float, Field(ge=0, le=100)] = 6.0
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    replay_size: Annotated[int, Field(ge=0)] = 5
    replay_weight: Annotated[float, Field(ge=0)] = 0.1
    choice_embedding: bool = True
    shared: bool = True


PRESETS: Mapping[str, PPOSettings] = {
    "nasnet": PPOSettings(
        learning_rate=0.00035,
        batch_size=20,
        entropy_weight=1e-5,
        advantage="difference",
        replay_size=0,
        choice_embedding=False,
        shared=False,
    )
}
"""``nasnet``: the controller of the paper (1707.07012, A.2).

An LSTM of 100 units with one softmax and one embedding for each prediction (50 with 5 blocks and the space's ``norms:
[bn]``), initial weights within -0.1..0.1, learning rate 0.00035, 20 children per update, a moving average of
rewards with weight 0.95 as baseline, and entropy weight 1e-5.

The paper leaves open: the clip (0.2, as in 1707.06347), the gradient steps per update (2), the optimizer (Adam, with
gradients of norm 1 at most), size and scale of the embeddings (32, see `controllers.policy`), and the start of the
moving average (the mean of the rewards so far).
"""


class PPO:
    """Updates the policy from batches of rollouts, with several clipped gradient steps per batch.

    The old probability in PPO's ratio is the one recorded in the rollout, that of the policy which drew it, so results
    may come late. Rollouts that something else proposed count in the policy gradient by their importance weight
    (`nas.decisions.Rollout.weight`); all are ranked, and the best of all are replayed.

    Example:
        >>> import nas
        >>> controller = nas.PPO(nas.TINY.choices, seed=0)
        >>> (rollout,) = controller.ask([0])
        >>> controller.tell(rollout, 0.9)
    """

    def __init__(self, choices: Sequence[Choice], settings: PPOSettings = PPOSettings(), *, seed: int) -> None:
        self.settings = settings
        self._seed = seed
        self._policy = Policy(choices, seed=seed, choice_embedding=settings.choice_embedding, shared=settings.shared)
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=settings.learning_rate, fused=True)
        self._judge: Baseline | Ranking
        if settings.advantage == "rank":
            self._judge = Ranking(settings.rank_window, settings.rank_greed)
        else:
            self._judge = Baseline(settings.baseline_decay)
        self._batch: list[tuple[Rollout, float]] = []
        self._best: dict[tuple[int, ...], float] = {}

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes one rollout for each trial; changes nothing."""
        return self._policy.sample([(self._seed, trial_id, 0) for trial_id in trial_ids])

    def preferences(self) -> list[list[float]]:
        """Estimates the probability of each option of each choice; changes nothing, see `Policy.preferences`."""
        return self._policy.preferences(num_rollouts=64, seed=self._seed)

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Records the rollout and updates the policy once a batch is full; see `Policy.check` for errors."""
        self._policy.check(rollout, reward)
        self._judge.add(reward)
        self._best[rollout.decisions] = reward
        if len(self._best) > self.settings.replay_size:
            del self._best[min(self._best, key=self._best.__getitem__)]
        self._batch.append((rollout, reward))
        if len(self._batch) == self.settings.batch_size:
            with flush_denormals():
                self._learn()
            self._batch.clear()

    def _learn(self) -> None:
        new = len(self._batch)
        decisions = torch.tensor([*(rollout.decisions for rollout, _ in self._batch), *self._best])
        old_log_probs = torch.tensor([rollout.log_prob for rollout, _ in self._batch])
        weights = [rollout.weight for rollout, _ in self._batch]
        advantages = torch.tensor(
            [w * self._advantage(reward) for w, (_, reward) in zip(weights, self._batch, strict=True)]
        )
        for _ in range(self.settings.num_epochs):
            decision_log_probs, entropies = self._policy.score(decisions)
            log_probs = decision_log_probs.sum(dim=0)
            gain = self._surrogate(log_probs[:new] - old_log_probs, advantages)
            gain = gain + self.settings.entropy_weight * entropies[:, :new].mean()
            if self._best:
                gain = gain + self.settings.replay_weight * log_probs[new:].mean()
            self._policy.ascend(self._optimizer, gain, gradient_clip=self.settings.gradient_clip)

    def _advantage(self, reward: float) -> float:
        if self.settings.advantage == "difference" and isinstance(self._judge, Baseline):
            return self._judge.difference(reward)
        return self._judge.advantage(reward)

    def _surrogate(self, log_ratios: Tensor, advantages: Tensor) -> Tensor:
        """PPO's clipped surrogate (1707.06347, equation 7), for whole rollouts."""
        ratios = log_ratios.clamp(max=_MAX_LOG_RATIO).exp()
        clipped = ratios.clamp(1 - self.settings.clip, 1 + self.settings.clip)
        return torch.minimum(ratios * advantages, clipped * advantages).mean()
