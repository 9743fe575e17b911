"""Summarizes the trainings of a study of pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from experiments.comparison.statistics import Interval, bootstrap_interval
from experiments.study.plan import PRETRAINED, SCRATCH
from experiments.study.results import (
    LOSS,
    SCORES,
    SPLITS,
    Change,
    Measure,
    Result,
    Setting,
    Spread,
    StudySummary,
    measured,
)
from experiments.study.verdict import verdict
from nas.downstream.schedule import parse_length


def summarize(results: Sequence[Result], *, split: str) -> StudySummary:
    """Computes scores and differences over seeds; raises RuntimeError with the first error if all trainings failed."""
    done = [each for each in results if "error" not in each]
    if not done:
        raise RuntimeError(f"all {len(results)} trainings failed; the first: {results[0]['error']}")
    kinds = tuple(kind for kind in ("box", "mask", "keypoints") if kind in done[0]["scores"][split])
    places = {(each["fraction"], parse_length(each["schedule"])): each["schedule"] for each in results}
    keys = [".".join(names) for names in product(SPLITS, kinds, SCORES)] + [LOSS]
    settings = tuple(_setting(places[place], place[0], results, keys) for place in sorted(places))
    counts = {name: max(each["scores"][name]["num_pictures"] for each in done) for name in SPLITS}
    num_seeds = len({each["seed"] for each in results})
    changes = tuple(_changes(settings))
    summary = StudySummary(split, kinds, counts, num_seeds, settings, _overall(settings), changes, results)
    return replace(summary, verdict=tuple(verdict(summary)))


def _setting(schedule: str, fraction: float, results: Sequence[Result], keys: Sequence[str]) -> Setting:
    ours = [each for each in results if (each["schedule"], each["fraction"]) == (schedule, fraction)]
    measures = {key: _measure(key, ours) for key in keys}
    num_failed = sum("error" in each for each in ours)
    return Setting(schedule, fraction, ours[0]["num_pictures"], ours[0]["num_iterations"], num_failed, measures)


def _measure(key: str, results: Sequence[Result]) -> Measure:
    by_start: dict[str, dict[int, float]] = {SCRATCH: {}, PRETRAINED: {}}
    for each in results:
        if (value := measured(each, key)) is not None:
            by_start[each["start"]][each["seed"]] = value
    scratch, pretrained = by_start.values()
    pairs = {str(seed): value - scratch[seed] for seed, value in pretrained.items() if seed in scratch}
    return Measure(_spread(scratch), _spread(pretrained), pairs, _interval(list(pairs.values())))


def _overall(settings: Sequence[Setting]) -> dict[str, Interval]:
    """Mean of the differences over all settings, with an interval over the seeds that have all settings."""
    overall = {}
    for key in settings[0].measures:
        pairs = [setting.measures[key].pairs for setting in settings]
        seeds = [seed for seed in pairs[0] if all(seed in each for each in pairs)]
        overall[key] = _interval([float(np.mean([each[seed] for each in pairs])) for seed in seeds])
    return overall


def _changes(settings: Sequence[Setting]) -> list[Change]:
    """Changes of the differences from the first to the last schedule, and from the fewest images to all."""
    last = settings[-1]
    rows = {
        "schedule": [setting for setting in settings if setting.fraction == last.fraction],
        "num_pictures": [setting for setting in settings if setting.schedule == last.schedule],
    }
    return [
        Change(along, getattr(row[0], along), getattr(row[-1], along), _between(row[0], row[-1]))
        for along, row in rows.items()
        if len(row) > 1
    ]


def _between(first: Setting, last: Setting) -> dict[str, Interval]:
    changes = {}
    for key, measure in last.measures.items():
        before = first.measures[key].pairs
        changes[key] = _interval([value - before[seed] for seed, value in measure.pairs.items() if seed in before])
    return changes


def _spread(by_seed: Mapping[int, float]) -> Spread:
    values = tuple(by_seed.values())
    if len(values) < 2:
        return Spread(values, *values)
    return Spread(values, float(np.mean(values)), float(np.std(values, ddof=1)))


def _interval(values: Sequence[float]) -> Interval:
    return bootstrap_interval(np.array(values), seed=0)
