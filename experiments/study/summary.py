"""The numbers of a study of pre-training: scores with their spread over seeds, and what pre-training adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from experiments.comparison.statistics import CONFIDENCE, bootstrap_interval
from experiments.study.plan import PRETRAINED, SCRATCH, STARTS
from experiments.study.verdict import verdict

SPLITS = ("val", "train")
SCORES = ("ap", "ap50")
LOSS = "loss"
KINDS = ("box", "mask")

Result: TypeAlias = Mapping[str, Any]


def summarize(results: Sequence[Result], *, split: str) -> dict[str, Any]:
    """Describes all trainings of a study.

    Args:
        results: each with ``start``, ``schedule``, ``fraction``, ``seed``, ``num_pictures`` and ``num_iterations``, and
            either ``error`` or what `workers.jobs.detector_jobs.train_and_measure` gives.
        split: ``val`` or ``train``: on which the detectors were measured while they were trained.

    Returns:
        Plain data: ``settings``, one for each schedule and fraction, in which ``measures`` holds, by split, kind of AP
        and its name, and as ``loss``, the values of each start, mean and standard deviation over seeds, and the
        difference, pre-trained minus scratch seed by seed, with an interval by the bootstrap over seeds. Then
        ``overall``, the same difference as a mean over all settings; ``changes``, how it changes from the shortest
        schedule to the longest and from the fewest pictures to all; ``results``; and in ``verdict`` what follows.

    Raises:
        RuntimeError: if all trainings have failed; says why the first did.
    """
    done = [each for each in results if "error" not in each]
    if not done:
        raise RuntimeError(f"all {len(results)} trainings have failed, the first: {results[0]['error']}")
    kinds = [kind for kind in KINDS if kind in done[0]["scores"][split]]
    places = {(each["fraction"], _length(each["schedule"])): each["schedule"] for each in results}
    settings = [_setting(places[place], place[0], results, measure_keys(kinds)) for place in sorted(places)]
    value = {
        "split": split,
        "kinds": kinds,
        "num_measured": {name: max(each["scores"][name]["num_pictures"] for each in done) for name in SPLITS},
        "num_seeds": len({each["seed"] for each in results}),
        "confidence": CONFIDENCE,
        "settings": settings,
        "overall": _overall(settings),
        "changes": _changes(settings),
        "results": list(results),
    }
    return {**value, "verdict": verdict(value)}


def measure_keys(kinds: Sequence[str]) -> list[str]:
    """The measures of a study: ``val.box.ap`` and so on, and ``loss``."""
    return [f"{split}.{kind}.{score}" for split in SPLITS for kind in kinds for score in SCORES] + [LOSS]


def measured(result: Result, key: str) -> float | None:
    """One measure of a training; None where it failed, or where there was nothing to be found."""
    if "error" in result:
        return None
    if key == LOSS:
        loss: float = result[LOSS]
        return loss
    split, kind, score = key.split(".")
    value: float | None = result["scores"][split].get(kind, {}).get(score)
    return value


def _setting(schedule: str, fraction: float, results: Sequence[Result], keys: Sequence[str]) -> dict[str, Any]:
    ours = [each for each in results if (each["schedule"], each["fraction"]) == (schedule, fraction)]
    return {
        "schedule": schedule,
        "fraction": fraction,
        "num_pictures": ours[0]["num_pictures"],
        "num_iterations": ours[0]["num_iterations"],
        "num_failed": sum("error" in each for each in ours),
        "measures": {key: _compare(key, ours) for key in keys},
    }


def _compare(key: str, results: Sequence[Result]) -> dict[str, Any]:
    by_start = {
        start: {each["seed"]: measured(each, key) for each in results if each["start"] == start} for start in STARTS
    }
    scratch, pretrained = (
        {seed: value for seed, value in by_start[start].items() if value is not None} for start in STARTS
    )
    pairs = {str(seed): value - scratch[seed] for seed, value in pretrained.items() if seed in scratch}
    return {
        SCRATCH: _spread(list(scratch.values())),
        PRETRAINED: _spread(list(pretrained.values())),
        "pairs": pairs,
        "difference": _interval(list(pairs.values())),
    }


def _overall(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each measure the mean of the differences over all settings, with an interval over the seeds that have all."""
    overall = {}
    for key in settings[0]["measures"]:
        pairs = [setting["measures"][key]["pairs"] for setting in settings]
        seeds = [seed for seed in pairs[0] if all(seed in each for each in pairs)]
        overall[key] = _interval([float(np.mean([each[seed] for each in pairs])) for seed in seeds])
    return overall


def _changes(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of the differences, from one end of the schedules and of the amounts of data to the other."""
    largest, longest = settings[-1]["fraction"], settings[-1]["schedule"]
    rows = {
        "schedule": [setting for setting in settings if setting["fraction"] == largest],
        "num_pictures": [setting for setting in settings if setting["schedule"] == longest],
    }
    return [
        {"along": along, "from": row[0][along], "to": row[-1][along], "measures": _between(row[0], row[-1])}
        for along, row in rows.items()
        if len(row) > 1
    ]


def _between(first: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    changes = {}
    for key in last["measures"]:
        before, after = (each["measures"][key]["pairs"] for each in (first, last))
        changes[key] = _interval([after[seed] - before[seed] for seed in after if seed in before])
    return changes


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation over seeds; None where there are too few."""
    return {
        "values": list(values),
        "mean": float(np.mean(values)) if values else None,
        "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def _interval(values: Sequence[float]) -> dict[str, float | None]:
    if len(values) < 2:  # nothing can be said of the spread
        return {"value": values[0] if values else None, "low": None, "high": None}
    found = bootstrap_interval(np.array(values), seed=0)
    return {"value": found.value, "low": found.low, "high": found.high}


def _length(schedule: str) -> int:
    return int(schedule.removesuffix("x"))
