"""Proximal policy optimization, the controller of NASNet (1707.07012, appendix A.2; PPO: 1707.06347)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from controllers.baseline import Baseline
from controllers.policy import Policy, quick_tiny_numbers, with_following
from controllers.ranking import Ranking
from nas.decisions import Choice, Rollout

_ROWS_OF_REDRAWS = 12  # as many are drawn together at least, and so the next attempts along with the first
_FORGOTTEN_ATTEMPTS = 0.2  # of those that were likely, with each ask
_MAX_LOG_RATIO = 20.0  # beyond, float32 comes near infinity, and infinity times 0 is NaN


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class PPOSettings:
    """How the policy learns.

    The defaults are for hundreds of trials, in any space; the preset ``nasnet`` holds the paper's values, for 20,000.
    What each is worth stands in ``results/controllers.md``.

    Attributes:
        learning_rate: of Adam.
        batch_size: rollouts an update.
        num_epochs: gradient steps an update, each over the complete batch.
        clip: how far the ratio of new to old probability of a rollout may leave 1 before it stops to count.
        entropy_weight: weight of the mean entropy of a decision, in nats, in what is maximized.
        gradient_clip: greatest global norm of the gradient.
        advantage: ``rank`` judges a reward by its place among the last ones, ``baseline`` by how many standard
            deviations it lies above their moving average, as in the paper.
        rank_window: how many of the last rewards a reward is ranked among.
        rank_greed: how much more the best ranks weigh (see `controllers.ranking.Ranking`).
        baseline_decay: share of the old moving average that each new reward leaves.
        replay_size: how many of the best rollouts each step makes more probable once more.
        replay_weight: weight of their mean log-probability in what is maximized.
        num_redraws: how often a rollout that repeats one told before is drawn anew.
        redraw_heat: by what the temperature is multiplied with each of these draws.
        choice_embedding: whether the LSTM reads which choice is due.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    batch_size: Annotated[int, Field(ge=1)] = 10
    num_epochs: Annotated[int, Field(ge=1)] = 2
    clip: Annotated[float, Field(gt=0)] = 0.2
    entropy_weight: Annotated[float, Field(ge=0)] = 0.05
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    advantage: Literal["rank", "baseline"] = "rank"
    rank_window: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    rank_greed: Annotated[float, Field(ge=0, le=100)] = 6.0
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    replay_size: Annotated[int, Field(ge=0)] = 5
    replay_weight: Annotated[float, Field(ge=0)] = 0.1
    num_redraws: Annotated[int, Field(ge=0, le=100)] = 10
    redraw_heat: Annotated[float, Field(ge=1, le=10)] = 1.2
    choice_embedding: bool = True


PRESETS: Mapping[str, PPOSettings] = MappingProxyType(
    {
        "nasnet": PPOSettings(
            learning_rate=0.00035,
            batch_size=20,
            entropy_weight=1e-5,
            advantage="baseline",
            replay_size=0,
            num_redraws=0,
            choice_embedding=False,
        )
    }
)
"""``nasnet``: the paper's values (1707.07012, A.2); clip and number of epochs, which it does not give, as above."""


class PPO:
    """Learns from batches of rollouts by several steps each, within a clipped distance of the policy that drew them.

    The old probability is the one in the rollout, so rollouts of a policy long gone are weighed rightly. No trial is
    spent on what has been measured before, as long as another draw finds something new.
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
        self._policy = Policy(choices, seed=seed, choice_embedding=settings.choice_embedding)
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=settings.learning_rate, fused=True)
        self._judge: Baseline | Ranking
        if settings.advantage == "rank":
            self._judge = Ranking(settings.rank_window, settings.rank_greed)
        else:
            self._judge = Baseline(settings.baseline_decay)
        self._batch: list[tuple[Rollout, float]] = []
        self._best: dict[tuple[int, ...], float] = {}
        self._told: set[tuple[int, ...]] = set()
        self._likely_attempts = 0.0  # what is drawn along follows from it, and nothing else

    def ask(self, trial_ids: Sequence[int]) -> list[Rollout]:
        """Proposes one rollout for each trial; changes nothing."""
        wanted = with_following(trial_ids, self.settings.batch_size - 1 - len(self._batch))
        rollouts = self._draw(wanted, 0)
        for attempt in range(1, self.settings.num_redraws + 1):
            repeated = [place for place, rollout in enumerate(rollouts) if rollout.decisions in self._told]
            if not repeated:
                break
            drawn = self._draw([wanted[place] for place in repeated], attempt)
            for place, rollout in zip(repeated, drawn, strict=True):
                rollouts[place] = rollout
            if repeated[0] < len(trial_ids):
                self._likely_attempts = max(self._likely_attempts, attempt)
        self._likely_attempts = max(0, self._likely_attempts - _FORGOTTEN_ATTEMPTS)
        return rollouts[: len(trial_ids)]

    def _draw(self, trial_ids: Sequence[int], attempt: int) -> list[Rollout]:
        """Draws one rollout for each trial, and along with them further attempts that will probably be needed."""
        heat = self.settings.redraw_heat
        last = round(self._likely_attempts)
        if attempt:
            last = max(last, attempt - 1 + _ROWS_OF_REDRAWS // len(trial_ids))
        following = range(attempt + 1, min(last, self.settings.num_redraws) + 1)
        return self._policy.sample(
            trial_ids,
            seed=self._seed,
            attempt=attempt,
            temperature=heat**attempt,
            ahead={each: heat**each for each in following},
        )

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Keeps the rollout; learns once a batch is full.

        Raises:
            ValueError: if the decisions are not of this space, or the reward is not finite.
        """
        self._policy.check(rollout, reward)
        self._judge.add(reward)
        self._told.add(rollout.decisions)
        self._best[rollout.decisions] = reward
        if len(self._best) > self.settings.replay_size:
            del self._best[min(self._best, key=self._best.__getitem__)]
        self._batch.append((rollout, reward))
        if len(self._batch) == self.settings.batch_size:
            with quick_tiny_numbers():
                self._learn()
            self._batch.clear()

    def _learn(self) -> None:
        new = len(self._batch)
        decisions = torch.tensor([*(rollout.decisions for rollout, _ in self._batch), *self._best])
        old_log_probs = torch.tensor([rollout.log_prob for rollout, _ in self._batch])
        advantages = torch.tensor([self._judge.advantage(reward) for _, reward in self._batch])
        for _ in range(self.settings.num_epochs):
            decision_log_probs, entropies = self._policy.score(decisions)
            log_probs = decision_log_probs.sum(dim=0)
            gain = self._surrogate(log_probs[:new] - old_log_probs, advantages)
            gain = gain + self.settings.entropy_weight * entropies[:, :new].mean()
            if self._best:
                gain = gain + self.settings.replay_weight * log_probs[new:].mean()
            self._policy.ascend(self._optimizer, gain, gradient_clip=self.settings.gradient_clip)

    def _surrogate(self, log_ratios: Tensor, advantages: Tensor) -> Tensor:
        """PPO's clipped surrogate (1707.06347, equation 7), for whole rollouts."""
        ratios = log_ratios.clamp(max=_MAX_LOG_RATIO).exp()
        clipped = ratios.clamp(1 - self.settings.clip, 1 + self.settings.clip)
        return torch.minimum(ratios * advantages, clipped * advantages).mean()
