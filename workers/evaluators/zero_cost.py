"""Evaluates a trial by scores that need no training (`nas.scores.table`)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.data.data_set import DataSet
from nas.scores.table import check_scores, score_network
from nas.training.augmentation import ImageSource
from nas.training.device import choose_device, num_threads
from nas.trial import Outcome, Trial
from workers.evaluators.costs import CostPlan
from workers.evaluators.network_outcome import network_outcome
from workers.evaluators.size_limits import buildable


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ZeroCostSettings:
    """Which scores are computed, and on which images.

    Attributes:
        scores: Names of scores, keys of `nas.scores.table.ALL_SCORES`; each becomes a metric of that name.
        batch_size: Images, drawn from the training split.
        seed: Of the draw of the images; the initial weights follow from the seed of the trial.

    Example:
        >>> import nas
        >>> nas.ZeroCostSettings(("naswot", "synflow")).batch_size
        64
    """

    scores: tuple[str, ...] = ("naswot",)
    batch_size: Annotated[int, Field(ge=2)] = 64
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        check_scores(self.scores)


def zero_cost(
    trial: Trial,
    *,
    data: DataSet,
    max_parameters: int | None = None,
    max_multiply_adds: int | None = None,
    costs: CostPlan | None = None,
    settings: ZeroCostSettings = ZeroCostSettings(),  # noqa: B008 - it is immutable
) -> Outcome:
    """Scores a trial's network with initial weights; never raises.

    The scores are metrics of the outcome, which the reward ``metric`` reads. Its accuracy is 0: nothing is trained.

    Args:
        trial: the trial; its seed determines the initial weights.
        data: the images.
        max_parameters: networks with more parameters are not scored.
        max_multiply_adds: networks with more multiply-adds per image are not scored.
        costs: costs to measure before it, and bounds on them, see `CostPlan`.
        settings: scores and images.

    Example:
        >>> import nas
        >>> data = nas.load_data(nas.DataSpec("digits", num_train=100, validation_fraction=0.2))
        >>> spec = nas.NetworkSpec(image_size=8, in_channels=1, num_filters=2, num_repeats=1, num_stages=1)
        >>> (rollout,) = nas.RandomSearch(nas.TINY.choices, seed=0).ask([0])
        >>> trial = nas.Trial(0, rollout, nas.TINY.decode(rollout.decisions), nas.Fidelity(spec), seed=0)
        >>> scores = nas.ZeroCostSettings(("num_parameters",))
        >>> nas.zero_cost(trial, data=data, settings=scores).metrics["num_parameters"] > 0
        True
    """
    return network_outcome(
        trial,
        lambda: (0.0, score_trial(trial, data, settings)),
        max_parameters=max_parameters,
        max_multiply_adds=max_multiply_adds,
        costs=costs,
    )


def score_trial(trial: Trial, data: DataSet, settings: ZeroCostSettings) -> dict[str, float]:
    """Returns scores of a trial's network with initial weights, by name; raises as `score_network`."""
    recipe, network = trial.fidelity.recipe, trial.fidelity.network
    number = min(settings.batch_size, len(data.train))
    drawn = np.random.default_rng(settings.seed).choice(len(data.train), number, replace=False)
    source = ImageSource(data.train.take(drawn), data, device=choose_device(recipe), channels_last=recipe.channels_last)
    images = source.batch(torch.arange(number, device=source.device))
    with num_threads(recipe.num_threads):
        return score_network(
            buildable(trial), network, settings.scores, images=images, labels=source.labels, seed=trial.seed
        )
