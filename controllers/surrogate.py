"""Wraps a controller with a model of the reward, which chooses among many of its proposals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from controllers.archive import Archive
from controllers.fresh import Fresh, FreshSettings, Taken, change, extra_ids
from controllers.front_model import FrontModel
from controllers.numerics import one_thread
from controllers.reward_model import (
    Features,
    Hyperparameters,
    RewardModel,
    fit_hyperparameters,
    normal_scores,
)
from nas.decisions import Rollout
from nas.protocols import Controller, SearchSpace

_FIT_SIZE = 150
"""Largest number of rewards to which hyperparameters are fitted."""
_FIT_GROWTH = 1.2
"""Hyperparameters are fitted again once there are this many times as many rewards."""
_NUM_PARENTS = 5


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class SurrogateSettings:
    """Settings of `Surrogate`.

    Attributes:
        num_plain: trials at the start of a run that are the wrapped controller's own proposals.
        plain_share: share of the later trials that are.
        num_draws: candidates drawn from the wrapped controller for each trial.
        num_mutants: further candidates, each with one or two decisions of one of the best rollouts changed.
        num_uniform: further candidates drawn uniformly, without which a policy that has collapsed confines the search.
        num_parallel: from this number of rollouts in flight, Thompson sampling replaces expected improvement.
        num_rewards: largest number of rewards from which the model learns: the best half and the last half.
        improvement_over: what expected improvement is counted from: the best ``reward`` told, noise included, or the
            best posterior ``mean`` of what was told, which is lower.
        learn_from_chosen: whether a policy learns from its draws that the model chose as from its own proposals.

    Example:
        >>> import nas
        >>> nas.SurrogateSettings(num_plain=10).plain_share
        0.1
    """

    num_plain: Annotated[int, Field(ge=1)] = 20
    plain_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    num_draws: Annotated[int, Field(ge=1, le=1000)] = 50
    num_mutants: Annotated[int, Field(ge=0, le=1000)] = 0
    num_uniform: Annotated[int, Field(ge=0, le=1000)] = 25
    num_parallel: Annotated[int, Field(ge=1)] = 10
    num_rewards: Annotated[int, Field(ge=10, le=2000)] = 400
    improvement_over: Literal["reward", "mean"] = "reward"
    learn_from_chosen: bool = True


class Surrogate:
    """Proposes the best of many draws of the wrapped controller, according to a model of all rewards so far.

    The model is a Gaussian process on decisions (`controllers.reward_model`). Candidates equal to what was told or is
    in flight are dropped, as in `controllers.fresh`. The best has the largest expected improvement or, with many
    rollouts in flight, the largest value in a draw from the posterior, which differs from trial to trial (Thompson
    sampling; Kandasamy et al. 2018).

    A chosen candidate keeps the weight 1 of a draw of the policy, though selection made some draws more probable than
    the policy did, by a factor that is unknown. So the gradient is not that of the policy alone: it also moves the
    policy towards what the model prefers, as imitation of a search does (expert iteration, 1705.08439). Without
    `learn_from_chosen` chosen candidates have weight 0, and the gradient is that of the wrapped controller's own
    proposals. Other candidates always have weight 0. Rewards are ranked, and the best replayed, among all rollouts.

    In a search for a front, each objective has a model, and what is improved is one number made of the values with the
    weights of the trial (as in ParEGO, Knowles 2006, doi 10.1109/TEVC.2005.851274, which models that number).

    Args:
        controller: the wrapped controller, which is told everything.
        space: decodes decisions, for the fingerprints.
        settings: see `SurrogateSettings`.
        seed: seed of the run.
        accepts: whether some decisions keep the bounds of the search, as far as is known before they are evaluated;
            others are not proposed.

    Example:
        >>> import nas
        >>> controller = nas.Surrogate(nas.PPO(nas.TINY.choices, seed=0), nas.TINY, seed=0)
        >>> (rollout,) = controller.ask([0])
        >>> controller.tell(rollout, reward=0.9)
    """

    def __init__(
        self,
        controller: Controller,
        space: SearchSpace,
        settings: SurrogateSettings = SurrogateSettings(),
        *,
        seed: int,
        accepts: Callable[[tuple[int, ...]], bool] = lambda _: True,
    ) -> None:
        self.settings = settings
        self.controller = controller
        self._fresh = Fresh(controller, space, FreshSettings(), seed=seed)
        self._num_options = [choice.num_options for choice in space.choices]
        self._features = Features(space.choices)
        self._seed = seed
        self._decisions: list[tuple[int, ...]] = []
        self._rewards: list[float] = []
        self._hyperparameters: dict[int, list[Hyperparameters]] = {}
        self._archive = Archive()
        self._accepts = accepts

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Tells the wrapped controller; the model is fitted again when it is next needed."""
        self._fresh.tell(rollout, reward)
        self._decisions.append(rollout.decisions)
        self._rewards.append(reward)

    def tell_values(self, trial_id: int, rollout: Rollout, values: Sequence[float]) -> None:
        """Tells the wrapped controller; the model of a trial is of the scores for the weights of that trial."""
        self._fresh.tell_values(trial_id, rollout, values)
        self._archive.add(rollout.decisions, values)

    @one_thread()
    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        """Proposes one rollout for each trial; changes nothing."""
        taken = self._fresh.visited.with_pending(pending)
        generators = {trial_id: np.random.default_rng((self._seed, trial_id, 1)) for trial_id in trial_ids}
        plain = [trial_id for trial_id in trial_ids if self._is_plain(generators[trial_id])]
        proposed = dict(zip(plain, self._fresh.propose(plain, pending, taken), strict=True))
        num_parallel = len(pending) + len(plain)
        fit = cache(self._fit)
        for trial_id in trial_ids:
            if trial_id not in proposed:
                model, best = fit(trial_id if self._archive else None)
                candidates = self._candidates(trial_id, pending, best, generators[trial_id])
                is_draw = num_parallel >= self.settings.num_parallel
                values = self._values(model, candidates, generators[trial_id] if is_draw else None)
                chosen = self._best_free(candidates, values, taken)
                proposed[trial_id] = chosen or self._fresh.propose([trial_id], pending, taken)[0]
                num_parallel += 1
        return [proposed[trial_id] for trial_id in trial_ids]

    def _is_plain(self, generator: np.random.Generator) -> bool:
        number = len(self._archive) or len(self._rewards)
        return number < self.settings.num_plain or generator.random() < self.settings.plain_share

    def _values(
        self, model: RewardModel | FrontModel, candidates: Sequence[Rollout], generator: np.random.Generator | None
    ) -> NDArray[np.float64]:
        """What the model expects of candidates: a draw with a generator, else the expected improvement."""
        decisions = [candidate.decisions for candidate in candidates]
        if generator is not None:
            return model.draw(decisions, generator)
        over = model.best_score if self.settings.improvement_over == "reward" else model.best_mean
        return model.expected_improvement(decisions, over)

    def _best_free(self, candidates: Sequence[Rollout], values: NDArray[np.float64], taken: Taken) -> Rollout | None:
        """The best candidate that is not taken, which then is; None where all are."""
        for place in map(int, np.argsort(-values, kind="stable")):  # fingerprints are costly: few are computed
            decisions = candidates[place].decisions
            if decisions not in taken and self._accepts(decisions):
                taken.add(decisions)
                return candidates[place] if self.settings.learn_from_chosen else replace(candidates[place], weight=0.0)
        return None

    def _candidates(
        self,
        trial_id: int,
        pending: Sequence[Rollout],
        best: Sequence[tuple[int, ...]],
        generator: np.random.Generator,
    ) -> list[Rollout]:
        """Different draws of the wrapped controller; mutants of the best and uniform draws, which have weight 0."""
        draws = self.controller.ask(extra_ids(trial_id, self.settings.num_draws), pending)
        found = {rollout.decisions: rollout for rollout in draws}
        others = []
        for _ in range(self.settings.num_mutants):
            parent = best[int(generator.integers(len(best)))]
            others.append(change(parent, self._num_options, 1 + int(generator.integers(2)), generator))
        shape = self.settings.num_uniform, len(self._num_options)
        others += map(tuple, generator.integers(self._num_options, size=shape).tolist())
        for decisions in others:
            found.setdefault(decisions, replace(draws[0], decisions=decisions, weight=0.0))
        return list(found.values())

    def _fit(self, of_trial: int | None) -> tuple[RewardModel | FrontModel, list[tuple[int, ...]]]:
        """The model of all rewards so far and the best rollouts; in a search for a front, for the trial's weights."""
        if of_trial is None:
            told, rewards = self._decisions, np.array(self._rewards)
            columns = rewards[:, None]
        else:
            weights = self._archive.weights(of_trial)
            told, rewards, columns = self._archive.decisions, self._archive.scores(weights), self._archive.values
        chosen = _selected(rewards, self.settings.num_rewards)
        decisions = [told[place] for place in chosen.tolist()]
        normal = [normal_scores(column[chosen], among=column) for column in columns.T]
        models = [
            RewardModel(self._features, decisions, scores, hyperparameters)
            for scores, hyperparameters in zip(normal, self._fit_hyperparameters(told, columns), strict=True)
        ]
        best = [told[place] for place in np.argsort(-rewards, kind="stable")[:_NUM_PARENTS].tolist()]
        if of_trial is None:
            return models[0], best
        score = partial(self._archive.score, weights=weights)
        return FrontModel(models, columns[chosen], np.stack(normal, axis=1), score, float(rewards.max())), best

    def _fit_hyperparameters(
        self, told: Sequence[tuple[int, ...]], columns: NDArray[np.float64]
    ) -> list[Hyperparameters]:
        """Those of the last of the sizes 20, 24, 29, ..., so that they follow from the tells alone.

        In a search for a front, there are some for each objective, from the best rollouts for equal weights.
        """
        size = float(self.settings.num_plain)
        while size * _FIT_GROWTH <= len(told):
            size *= _FIT_GROWTH
        number = int(size)
        if number not in self._hyperparameters:
            first = self._archive.first_scores(number) if self._archive else columns[:number, 0]
            chosen = _selected(first, _FIT_SIZE)
            decisions = [told[place] for place in chosen.tolist()]
            self._hyperparameters = {
                number: [
                    fit_hyperparameters(self._features, decisions, normal_scores(column[chosen], among=column[:number]))
                    for column in columns.T
                ]
            }
        return self._hyperparameters[number]


def _selected(rewards: NDArray[np.float64], number: int) -> NDArray[np.int64]:
    """Places of at most `number` rollouts: the best ones for half of it, and the most recent of the rest."""
    places = np.arange(len(rewards))
    if len(rewards) <= number:
        return places
    best = np.argsort(-rewards, kind="stable")[: number // 2]
    others = np.delete(places, best)
    return np.sort(np.concatenate([best, others[len(best) - number :]]))
