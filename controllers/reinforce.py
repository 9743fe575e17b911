"""REINFORCE with a moving-average baseline (NAS with reinforcement learning, 1611.01578, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from controllers.archive import Archive, Told
from controllers.baseline import Baseline
from controllers.numerics import flush_denormals, one_thread
from controllers.policy import Policy, as_tensor
from nas.decisions import Choice, Rollout
from nas.fronts import Values


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class ReinforceSettings:
    """Settings of `Reinforce`.

    Attributes:
        learning_rate: learning rate of Adam.
        batch_size: rollouts per update.
        baseline_decay: share of the moving average of rewards that each new reward leaves unchanged (1707.07012, A.2).
        entropy_weight: weight of the mean entropy of a decision, in nats, in the objective.
        gradient_clip: maximum global norm of the gradient.

    Example:
        >>> import nas
        >>> controller = nas.Reinforce(nas.TINY.choices, nas.ReinforceSettings(learning_rate=0.01), seed=0)
    """

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    batch_size: Annotated[int, Field(ge=1)] = 10
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    entropy_weight: Annotated[float, Field(ge=0)] = 0.01
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0


class Reinforce:
    """Changes the log-probability of rollouts in proportion to how far their reward lies above the moving average.

    That distance is measured in running standard deviations, so that one learning rate serves rewards of any scale.
    Rollouts that the policy did not draw count by their importance weight (`nas.decisions.Rollout.weight`).

    Example:
        >>> import nas
        >>> len(nas.Reinforce(nas.TINY.choices, seed=0).ask([0, 1]))
        2
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        settings: ReinforceSettings = ReinforceSettings(),
        *,
        seed: int,
        num_objectives: int = 0,
    ) -> None:
        self.settings = settings
        self._seed = seed
        self._policy = Policy(choices, seed=seed, num_objectives=num_objectives)
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=settings.learning_rate)
        self._baseline = Baseline(settings.baseline_decay)
        self._batch: list[tuple[Rollout, float]] = []
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
        self._baseline.add(reward)
        self._batch.append((rollout, reward))
        if len(self._batch) == self.settings.batch_size:
            advantages = [self._baseline.advantage(reward) for _, reward in self._batch]
            self._learn([rollout for rollout, _ in self._batch], advantages)
            self._batch.clear()

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Records the rollout and updates the policy once a batch is full.

        Its advantage is that of its score for the weights of its trial over the moving average of all scores so far for
        the same weights.
        """
        self._policy.check(rollout, 0.0)
        self._archive.add(rollout.decisions, values)
        self._front_batch.append(Told(trial_id, rollout, len(self._archive) - 1))
        if len(self._front_batch) == self.settings.batch_size:
            weights = np.array([self._archive.weights(told.trial_id) for told in self._front_batch])
            told = zip(self._front_batch, weights, strict=True)
            advantages = [self._front_advantage(each.place, mixture) for each, mixture in told]
            self._learn([each.rollout for each in self._front_batch], advantages, weights)
            self._front_batch.clear()

    def _front_advantage(self, place: int, weights: Values) -> float:
        scores, baseline = self._archive.scores(weights), Baseline(self.settings.baseline_decay)
        for score in scores.tolist():
            baseline.add(score)
        return baseline.advantage(float(scores[place]))

    def _learn(self, rollouts: Sequence[Rollout], advantages: Sequence[float], mixtures: Values | None = None) -> None:
        """Takes a gradient step; `mixtures` are the weights of objectives of the rollouts, None without any."""
        decisions = torch.tensor([rollout.decisions for rollout in rollouts])
        weights = torch.tensor([rollout.weight for rollout in rollouts])
        with one_thread(), flush_denormals():
            log_probs, entropies = self._policy.score(decisions, as_tensor(mixtures))
            gain = (weights * torch.tensor(advantages) * log_probs.sum(dim=0)).mean()
            gain = gain + self.settings.entropy_weight * entropies.mean()
            self._policy.ascend(self._optimizer, gain, gradient_clip=self.settings.gradient_clip)
