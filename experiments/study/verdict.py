"""What a study of pre-training shows, in sentences computed from its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

FOUND_LITTLE = 0.01
"""The highest AP below which detectors find next to nothing."""
SCRATCH_SUFFICES, SCRATCH_FAILS = 10_000, 3_500
"""Pictures of COCO with which training from scratch still matched, or did not (1811.08883, section 5)."""

_Value = Mapping[str, Any]


def verdict(value: _Value) -> list[str]:
    """What can be concluded, and what cannot.

    Args:
        value: what `experiments.study.summary.summarize` gathers.

    Returns:
        Sentences.
    """
    return [*_failures(value), *_on_split(value, "val"), *_on_split(value, "train"), *_losses(value), *_limits(value)]


def _failures(value: _Value) -> Iterator[str]:
    failed = [each for each in value["results"] if "error" in each]
    if failed:
        number = f"{len(failed)} of {len(value['results'])} trainings"
        yield f"{number} failed and are left out; the first, {failed[0]['name']}: {failed[0]['error']}"


def _on_split(value: _Value, split: str) -> Iterator[str]:
    """What the AP of boxes says on one split."""
    key = f"{split}.box.ap"
    where = f"{value['num_measured']['val']} new pictures" if split == "val" else "the training pictures"
    best, best50 = (_best(value, each) for each in (key, f"{key}50"))
    if best < FOUND_LITTLE:
        yield f"On {where} no detector finds much: the highest AP is {best:.2%}, the highest AP50 {best50:.2%}." + (
            " Nothing can be concluded here on whether pre-training helps to find objects in pictures never seen."
            if split == "val"
            else ""
        )
        return
    yield f"AP on {where}, {best:.1%} at best: {_ahead(value, key)}"
    if value["num_seeds"] > 1:
        yield from (_changed(change, key) for change in value["changes"])


def _losses(value: _Value) -> Iterator[str]:
    yield f"Training loss, where less is better: {_ahead(value, 'loss')}"


def _ahead(value: _Value, key: str) -> str:
    """In how many settings pre-training is ahead, and by how much over all."""
    sign = -1 if key == "loss" else 1
    differences = [each["measures"][key]["difference"] for each in value["settings"]]
    known = [each for each in differences if each["value"] is not None]
    ahead = f"pre-training is ahead in {sum(sign * each['value'] > 0 for each in known)} of {len(known)} settings"
    if value["num_seeds"] < 2:
        return f"{ahead}; one seed says nothing of the spread over seeds: no difference is shown."
    shown = [sum(sign * _side(each) == side for each in known) for side in (1, -1)]
    chance = (1 - value["confidence"]) / 2 * len(known)
    return (
        f"{ahead}; shown, with an interval that leaves out 0, is that in {shown[0]} and the contrary in {shown[1]} "
        f"({chance:.2g} of each would be by chance). {_over_all(value['overall'][key], key)}"
    )


def _over_all(interval: _Value, key: str) -> str:
    if interval["low"] is None:
        return "Too few seeds have all settings for a mean over them."
    ahead = _side(interval) * (-1 if key == "loss" else 1)
    said = ("pre-training is behind", "the interval includes 0, so that neither is shown to be ahead", "it is ahead")
    return f"Over all settings the mean difference is {_amount(interval, key)}: {said[ahead + 1]}."


def _changed(change: _Value, key: str) -> str:
    unit = " pictures" if change["along"] == "num_pictures" else ""
    what = f"From {change['from']} to {change['to']}{unit}"
    interval = change["measures"][key]
    if interval["low"] is None:
        return f"{what} too few seeds are there to tell how the lead of pre-training changes."
    said = ("scratch catches up", "the interval includes 0, so that no catching up is shown", "its lead grows")
    return f"{what} the lead of pre-training changes by {_amount(interval, key)}: {said[_side(interval) + 1]}."


def _limits(value: _Value) -> Iterator[str]:
    """How large a difference must be to be seen, and what the intervals do not hold."""
    if value["num_seeds"] > 1:
        widths = [
            (each["high"] - each["low"]) / 2
            for setting in value["settings"]
            if (each := setting["measures"]["train.box.ap"]["difference"])["low"] is not None
        ]
        seen = (
            f"With {value['num_seeds']} seeds a difference in AP on training pictures must be about "
            f"{100 * float(np.median(widths)):.1f} points to be seen. "
            if widths
            else ""
        )
        yield f"{seen}The intervals are over seeds alone: all trainings share the same pictures and one backbone."
    most = max(each["num_pictures"] for each in value["settings"])
    if most < SCRATCH_SUFFICES:
        yield (
            f"Rethinking ImageNet Pre-training (1811.08883, section 5) finds training from scratch as good with "
            f"{SCRATCH_SUFFICES:,} pictures of COCO and more, and much worse with {SCRATCH_FAILS:,} and fewer: with "
            f"{most:,} at most, this study cannot test the former."
        )


def _best(value: _Value, key: str) -> float:
    """The highest score of any training."""
    scores = [
        score
        for setting in value["settings"]
        for start in ("scratch", "pretrained")
        for score in setting["measures"][key][start]["values"]
    ]
    return max(scores, default=0.0)


def _side(interval: _Value) -> int:
    """1 if the interval lies above 0, -1 if below, 0 if it includes 0 or there is none."""
    if interval["low"] is None:
        return 0
    return int(interval["low"] > 0) - int(interval["high"] < 0)


def _amount(interval: _Value, key: str) -> str:
    """A difference with its interval: points of AP, or the loss as it is."""
    factor, unit, digits = (1, "", 3) if key == "loss" else (100, " points", 2)
    value, low, high = (f"{factor * interval[name]:+.{digits}f}" for name in ("value", "low", "high"))
    return f"{value}{unit} ({low} to {high})"
