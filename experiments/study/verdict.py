"""The conclusions of a study of pre-training, as sentences computed from its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from statistics import median

from experiments.comparison.formatting import interval_text
from experiments.comparison.statistics import Interval
from experiments.study.results import LOSS, Change, StudySummary

MIN_AP = 0.01
"""Highest AP below which detectors find next to nothing."""
SCRATCH_SUFFICES, SCRATCH_FAILS = 10_000, 3_500
"""Images of COCO with which training from scratch still matched pre-training, or did not (1811.08883, section 5)."""


def verdict(study: StudySummary) -> list[str]:
    """States what the numbers of a study show and what they cannot show."""
    failed = [each for each in study.results if "error" in each]
    failures = f"{len(failed)} of {len(study.results)} trainings failed and are excluded"
    return [
        *([f"{failures}; the first, {failed[0]['name']}: {failed[0]['error']}"] if failed else []),
        *_on_split(study, "val"),
        *_on_split(study, "train"),
        f"Training loss (lower is better): {_lead(study, LOSS)}",
        *_limits(study),
    ]


def _on_split(study: StudySummary, split: str) -> Iterator[str]:
    """The AP of boxes on one split."""
    key = f"{split}.box.ap"
    where = f"{study.num_measured['val']} validation images" if split == "val" else "the training images"
    best, best50 = (_best(study, each) for each in (key, f"{key}50"))
    if best < MIN_AP:
        reach = " Nothing can be concluded about pre-training on unseen images." if split == "val" else ""
        yield f"No detector works on {where}: the highest AP is {best:.2%}, the highest AP50 {best50:.2%}.{reach}"
        return
    yield f"AP on {where} (at most {best:.1%}): {_lead(study, key)}"
    if study.num_seeds > 1:
        yield from (_change(change, key) for change in study.changes)


def _lead(study: StudySummary, key: str) -> str:
    """In how many settings pre-training is better, and by how much overall."""
    sign = -1 if key == LOSS else 1
    known = [found for each in study.settings if not isnan((found := each.measures[key].difference).value)]
    lead = f"pre-training is better in {sum(sign * each.value > 0 for each in known)} of {len(known)} settings"
    if study.num_seeds < 2:
        return f"{lead}; with one seed, no difference can be tested."
    better, worse = (sum(sign * each.sign == side for each in known) for side in (1, -1))
    chance = (1 - study.confidence) / 2 * len(known)
    return (
        f"{lead}, significantly (the interval excludes 0) in {better}, and significantly worse in {worse}; "
        f"{chance:.2g} of each are expected by chance. {_overall(study.overall[key], key)}"
    )


def _overall(interval: Interval, key: str) -> str:
    if not interval.bounded:
        return "Too few seeds have all settings for a mean over settings."
    lead = interval.sign * (-1 if key == LOSS else 1)
    conclusions = ("pre-training is worse", "not significant, as the interval includes 0", "pre-training is better")
    return f"The mean difference over all settings is {_amount(interval, key)}: {conclusions[lead + 1]}."


def _change(change: Change, key: str) -> str:
    unit = " images" if change.along == "num_pictures" else ""
    what = f"From {change.first} to {change.last}{unit},"
    interval = change.measures[key]
    if not interval.bounded:
        return f"{what} there are too few seeds to estimate the change of the advantage of pre-training."
    conclusions = ("it shrinks", "not significant, as the interval includes 0", "it grows")
    amount = _amount(interval, key)
    return f"{what} the advantage of pre-training changes by {amount}: {conclusions[interval.sign + 1]}."


def _limits(study: StudySummary) -> Iterator[str]:
    """The smallest detectable difference, and what the intervals do not cover."""
    if study.num_seeds > 1:
        found = [setting.measures["train.box.ap"].difference for setting in study.settings]
        widths = [100 * each.half_width for each in found if each.bounded]
        least = f"With {study.num_seeds} seeds, the smallest detectable difference in AP on training images is about"
        seen = f"{least} {median(widths):.1f} points. " if widths else ""
        yield f"{seen}Intervals cover the variation over seeds only: all trainings share the images and the backbone."
    most = max(each.num_pictures for each in study.settings)
    if most < SCRATCH_SUFFICES:
        yield (
            f"Rethinking ImageNet Pre-training (1811.08883, section 5) reports that training from scratch is on par "
            f"with {SCRATCH_SUFFICES:,} images of COCO and more, and much worse with {SCRATCH_FAILS:,} and fewer: with "
            f"at most {most:,} images, this study cannot test the former."
        )


def _best(study: StudySummary, key: str) -> float:
    """The highest score of any training."""
    measures = [setting.measures[key] for setting in study.settings]
    return max((score for each in measures for score in (*each.scratch.values, *each.pretrained.values)), default=0.0)


def _amount(interval: Interval, key: str) -> str:
    if key == LOSS:
        return interval_text(interval, digits=3, signed=True, scale=1)
    return interval_text(interval, signed=True, unit=" points")
