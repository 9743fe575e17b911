"""Evaluates a trial by scores that need no training (`nas.scores.table`)."""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.data.data_set import DataSet
from nas.scores.table import check_scores, score_network
from nas.training.augmentation import ImageSource
from nas.training.device import choose_device, num_threads
from nas.trial import Failure, Outcome, Success, Trial
from workers.errors import describe_error, failure_kind
from workers.evaluators.size_limits import TooLargeError, buildable, measure_within


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ZeroCostSettings:
    """Which scores are computed, and on which images.

    Attributes:
        scores: Names of scores, keys of `nas.scores.table.ALL_SCORES`; each becomes a metric of that name.
        batch_size: Images, drawn from the training split.
        seed: Of the draw of the images; the initial weights follow from the seed of the trial.
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
    settings: ZeroCostSettings = ZeroCostSettings(),  # noqa: B008 - it is immutable
) -> Outcome:
    """Scores a trial's network with initial weights; never raises.

    The scores are metrics of the outcome, which the reward ``metric`` reads. Its accuracy is 0: nothing is trained.

    Args:
        trial: the trial; its seed determines the initial weights.
        data: the images.
        max_parameters: networks with more parameters are not scored.
        max_multiply_adds: networks with more multiply-adds per image are not scored.
        settings: scores and images.
    """
    started = time.perf_counter()
    try:
        complexity = measure_within(trial, max_parameters, max_multiply_adds)
        scores = _score(trial, data, settings)
    except Exception as error:  # an error of one network must not end the search
        kind = "too_large" if isinstance(error, TooLargeError) else failure_kind(error)
        return Failure(trial.id, kind, describe_error(error), time.perf_counter() - started)
    return Success(
        trial.id,
        0.0,
        num_parameters=complexity.num_parameters,
        num_multiply_adds=complexity.num_multiply_adds,
        train_seconds=time.perf_counter() - started,
        metrics=scores,
    )


def _score(trial: Trial, data: DataSet, settings: ZeroCostSettings) -> dict[str, float]:
    recipe, network = trial.fidelity.recipe, trial.fidelity.network
    number = min(settings.batch_size, len(data.train))
    drawn = np.random.default_rng(settings.seed).choice(len(data.train), number, replace=False)
    source = ImageSource(data.train.take(drawn), data, device=choose_device(recipe), channels_last=recipe.channels_last)
    images = source.batch(torch.arange(number, device=source.device))
    with num_threads(recipe.num_threads):
        return score_network(
            buildable(trial), network, settings.scores, images=images, labels=source.labels, seed=trial.seed
        )
