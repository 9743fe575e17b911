"""Proximal policy optimization, the controller of NASNet (1707.07012, appendix A.2; PPO: 1707.06347)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from controllers.baseline import Baseline
from controllers.policy import Policy
from nas.decisions import Choice, Rollout


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class PPOSettings:
    """How the policy learns.

    The defaults are for hundreds of trials; the preset ``nasnet`` holds the paper's values, for 20,000.

    Attributes:
        learning_rate: of Adam.
        batch_size: rollouts an update.
        num_epochs: gradient steps an update, each over the complete batch.
        clip: how far the ratio of new to old probability of a rollout may leave 1 before it stops to count.
        baseline_decay: share of the old moving average of rewards that each new reward leaves.
        entropy_weight: weight of the mean entropy of a decision, in nats, in what is maximized.
        gradient_clip: greatest global norm of the gradient.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    batch_size: Annotated[int, Field(ge=1)] = 10
    num_epochs: Annotated[int, Field(ge=1)] = 4
    clip: Annotated[float, Field(gt=0)] = 0.2
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    entropy_weight: Annotated[float, Field(ge=0)] = 0.01
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0


PRESETS: Mapping[str, PPOSettings] = MappingProxyType(
    {"nasnet": PPOSettings(learning_rate=0.00035, batch_size=20, entropy_weight=1e-5)}
)
"""``nasnet`` holds the paper's values; it gives no clip and no number of epochs, those are the defaults."""


class PPO:
    """Learns from batches of rollouts by several steps each, within a clipped distance of the policy that drew them.

    The old probability is the one in the rollout, so rollouts of a policy long gone are weighed rightly.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        settings: PPOSettings = PPOSettings(),  # noqa: B008 - frozen
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
        return self._policy.sample(trial_ids, seed=self._seed)

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Keeps the rollout; learns once a batch is full.

        Raises:
            ValueError: if the decisions are not of this space, or the reward is not finite.
        """
        self._policy.check(rollout, reward)
        self._baseline.add(reward)
        self._batch.append((rollout, reward))
        if len(self._batch) == self.settings.batch_size:
            self._learn()
            self._batch.clear()

    def _learn(self) -> None:
        settings = self.settings
        decisions = torch.tensor([rollout.decisions for rollout, _ in self._batch])
        old_log_probs = torch.tensor([rollout.log_prob for rollout, _ in self._batch])
        advantages = torch.tensor([self._baseline.advantage(reward) for _, reward in self._batch])
        for _ in range(settings.num_epochs):
            log_probs, entropies = self._policy.score(decisions)
            ratios = (log_probs.sum(dim=0) - old_log_probs).exp()
            clipped = ratios.clamp(1 - settings.clip, 1 + settings.clip)
            surrogate = torch.minimum(ratios * advantages, clipped * advantages).mean()
            gain = surrogate + settings.entropy_weight * entropies.mean()
            self._policy.ascend(self._optimizer, gain, gradient_clip=settings.gradient_clip)
