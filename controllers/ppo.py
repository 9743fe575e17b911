"""Proximal policy optimization (1707.06347), the controller of NASNet (1707.07012, appendix A.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from controllers.archive import Archive, Told
from controllers.baseline import Baseline
from controllers.numerics import flush_denormals, one_thread
from controllers.policy import Policy, as_tensor
from controllers.ranking import Ranking
from nas.decisions import Choice, Rollout
from nas.fronts import Values

_FRONT_REPLAYS = 4  # times `replay_size`: a front has a best rollout for each mixture of the objectives
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

    In a search for a front of `num_objectives`, the policy reads the weights of the objectives, which differ from trial
    to trial (`nas.fronts.preference`), and so learns to propose for each mixture of them.

    Example:
        >>> import nas
        >>> controller = nas.PPO(nas.TINY.choices, seed=0)
        >>> (rollout,) = controller.ask([0])
        >>> controller.tell(rollout, 0.9)
    """

    def __init__(
        self, choices: Sequence[Choice], settings: PPOSettings = PPOSettings(), *, seed: int, num_objectives: int = 0
    ) -> None:
        self.settings = settings
        self._seed = seed
        inputs = {"choice_embedding": settings.choice_embedding, "shared": settings.shared}
        self._policy = Policy(choices, seed=seed, num_objectives=num_objectives, **inputs)
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=settings.learning_rate, fused=True)
        self._judge = self._new_judge()
        self._batch: list[tuple[Rollout, float]] = []
        self._best: dict[tuple[int, ...], float] = {}
        self._archive = Archive()
        self._front_batch: list[Told] = []

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes one rollout for each trial; changes nothing."""
        return self._policy.sample(
            [(self._seed, trial_id, 0) for trial_id in trial_ids], self._policy.weights_of(trial_ids)
        )

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
            advantages = [self._advantage(self._judge, reward) for _, reward in self._batch]
            self._learn([rollout for rollout, _ in self._batch], advantages, list(self._best))
            self._batch.clear()

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Records the rollout and updates the policy once a batch is full.

        Its advantage is that of its score, for the weights of its trial, among the scores of the last rollouts for
        the same weights. What is replayed are the best rollouts for four times `replay_size` other weights.
        """
        self._policy.check(rollout, 0.0)
        self._archive.add(rollout.decisions, values)
        self._front_batch.append(Told(trial_id, rollout, len(self._archive) - 1))
        if len(self._front_batch) == self.settings.batch_size:
            replayed = [len(self._archive) + place for place in range(_FRONT_REPLAYS * self.settings.replay_size)]
            ids = [*(told.trial_id for told in self._front_batch), *replayed]
            weights = np.array([self._archive.weights(trial_id) for trial_id in ids])
            best = [self._archive.best(each) for each in weights[self.settings.batch_size :]]
            advantages = [
                self._front_advantage(told.place, each) for told, each in zip(self._front_batch, weights, strict=False)
            ]
            self._learn([told.rollout for told in self._front_batch], advantages, best, weights)
            self._front_batch.clear()

    def _front_advantage(self, place: int, weights: Values) -> float:
        scores, judge = self._archive.scores(weights), self._new_judge()
        for score in scores[-self.settings.rank_window :].tolist():
            judge.add(score)
        return self._advantage(judge, float(scores[place]))

    def _learn(
        self,
        rollouts: Sequence[Rollout],
        advantages: Sequence[float],
        replayed: Sequence[tuple[int, ...]],
        mixtures: Values | None = None,
    ) -> None:
        """Takes the gradient steps of an update; `mixtures` are the weights of objectives of both, None without any."""
        new = len(rollouts)
        decisions = torch.tensor([*(rollout.decisions for rollout in rollouts), *replayed])
        old_log_probs = torch.tensor([rollout.log_prob for rollout in rollouts])
        gains = [rollout.weight * each for rollout, each in zip(rollouts, advantages, strict=True)]
        weighted, mixed = torch.tensor(gains), as_tensor(mixtures)
        with one_thread(), flush_denormals():
            for _ in range(self.settings.num_epochs):
                decision_log_probs, entropies = self._policy.score(decisions, mixed)
                log_probs = decision_log_probs.sum(dim=0)
                gain = self._surrogate(log_probs[:new] - old_log_probs, weighted)
                gain = gain + self.settings.entropy_weight * entropies[:, :new].mean()
                if replayed:
                    gain = gain + self.settings.replay_weight * log_probs[new:].mean()
                self._policy.ascend(self._optimizer, gain, gradient_clip=self.settings.gradient_clip)

    def _new_judge(self) -> Baseline | Ranking:
        if self.settings.advantage == "rank":
            return Ranking(self.settings.rank_window, self.settings.rank_greed)
        return Baseline(self.settings.baseline_decay)

    def _advantage(self, judge: Baseline | Ranking, reward: float) -> float:
        if self.settings.advantage == "difference" and isinstance(judge, Baseline):
            return judge.difference(reward)
        return judge.advantage(reward)

    def _surrogate(self, log_ratios: Tensor, advantages: Tensor) -> Tensor:
        """PPO's clipped surrogate (1707.06347, equation 7), for whole rollouts."""
        ratios = log_ratios.clamp(max=_MAX_LOG_RATIO).exp()
        clipped = ratios.clamp(1 - self.settings.clip, 1 + self.settings.clip)
        return torch.minimum(ratios * advantages, clipped * advantages).mean()
