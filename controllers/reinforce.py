"""REINFORCE with a moving-average baseline (NAS with reinforcement learning, 1611.01578, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from controllers.baseline import Baseline
from controllers.policy import Policy, quick_tiny_numbers, with_following
from nas.decisions import Choice, Rollout


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class ReinforceSettings:
    """How the policy learns.

    Attributes:
        learning_rate: of Adam.
        batch_size: rollouts an update.
        baseline_decay: share of the old moving average of rewards that each new reward leaves (1707.07012, A.2).
        entropy_weight: weight of the mean entropy of a decision, in nats, in what is maximized.
        gradient_clip: greatest global norm of the gradient.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    batch_size: Annotated[int, Field(ge=1)] = 10
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    entropy_weight: Annotated[float, Field(ge=0)] = 0.01
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0


class Reinforce:
    """Raises the log-probability of decisions by how much their reward exceeds the moving average of rewards.

    Rewards count in units of their running standard deviation, so that one learning rate serves all scales.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        settings: ReinforceSettings = ReinforceSettings(),  # noqa: B008 - frozen
        *,
        seed: int,
    ) -> None:
        self.settings = settings
        self._seed = seed
        self._policy = Policy(choices, seed=seed)
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=settings.learning_rate)
        self._baseline = Baseline(settings.baseline_decay)
        self._batch: list[tuple[Rollout, float]] = []

    def ask(self, trial_ids: Sequence[int]) -> list[Rollout]:
        """Proposes one rollout for each trial; changes nothing."""
        wanted = with_following(trial_ids, self.settings.batch_size - 1 - len(self._batch))
        return self._policy.sample(wanted, seed=self._seed)[: len(trial_ids)]

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Keeps the rollout; learns once a batch is full.

        Raises:
            ValueError: if the decisions are not of this space, or the reward is not finite.
        """
        self._policy.check(rollout, reward)
        self._baseline.add(reward)
        self._batch.append((rollout, reward))
        if len(self._batch) == self.settings.batch_size:
            with quick_tiny_numbers():
                self._learn()
            self._batch.clear()

    def _learn(self) -> None:
        decisions = torch.tensor([rollout.decisions for rollout, _ in self._batch])
        advantages = torch.tensor([self._baseline.advantage(reward) for _, reward in self._batch])
        log_probs, entropies = self._policy.score(decisions)
        gain = (advantages * log_probs.sum(dim=0)).mean() + self.settings.entropy_weight * entropies.mean()
        self._policy.ascend(self._optimizer, gain, gradient_clip=self.settings.gradient_clip)
