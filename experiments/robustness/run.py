"""`nas robustness`: how accurate networks stay when the appearance of the images shifts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.architectures.trained import TrainedNetwork, find_trained, load_test_images
from experiments.comparison.statistics import CONFIDENCE
from experiments.robustness.figure import draw_robustness
from nas.data.data_set import Split
from nas.shifts.measure import right_answers
from nas.shifts.style import Palettes, read_palettes
from nas.shifts.table import SEVERITIES, SHIFTS, check_shifts, shift_split, shifts_for

NUM_RESAMPLES = 1000
Answers = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RobustnessOptions:
    """Options of the command line.

    Attributes:
        data: a folder of images, or the name of a data set that needs none; None takes that of the run.
        shifts: names; none takes the test shifts of the first network's run, else all that the images can undergo.
        severities: of 1 to 5.
        seed: of what the shifts and the intervals draw.
        most: so many test images at most; None takes all.
        pictures: a folder of reference pictures for the shift `style`; None takes the built-in ones.
    """

    data: str | None = None
    shifts: tuple[str, ...] = ()
    severities: tuple[int, ...] = SEVERITIES
    seed: int = 0
    most: int | None = None
    pictures: Path | None = None


def run_robustness(names: Sequence[str], out: Path, options: RobustnessOptions) -> dict[str, Any]:
    """Measures networks and writes ``robustness.json``, ``robustness.png`` and ``robustness.svg``.

    Args:
        names: files of weights, runs or RUN@k; all are measured on the same images.
        out: the folder; made if it is missing.
        options: see `RobustnessOptions`.

    Returns:
        What was measured, as plain data; see `measure_robustness`.

    Raises:
        ValueError: if a network, the images, a shift or a severity is not usable.
        OSError: if a file cannot be read or written.
    """
    networks = [find_trained(name) for name in names]
    asked = options.shifts or networks[0].shifts.test
    check_shifts(asked)  # before images are read, which may take a while
    split = load_test_images(networks, options.data, most=options.most)
    num_channels = split.images.shape[1]
    shifts = check_shifts(asked or shifts_for(num_channels), num_channels=num_channels)
    palettes = read_palettes(options.pictures, num_channels=num_channels) if "style" in shifts else None
    plan = ShiftGrid(shifts, options.severities, options.seed, palettes)
    value = measure_robustness(networks, split, plan)
    out.mkdir(parents=True, exist_ok=True)
    (out / "robustness.json").write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    draw_robustness(value, out)
    return value


@dataclass(frozen=True, slots=True, eq=False)
class ShiftGrid:
    """All that is measured: every shift at every severity.

    Attributes:
        shifts: names.
        severities: of 1 to 5, ascending.
        seed: of what the shifts and the intervals draw.
        palettes: of reference pictures, for the shift `style`.
    """

    shifts: tuple[str, ...]
    severities: tuple[int, ...]
    seed: int = 0
    palettes: Palettes | None = None

    @property
    def cells(self) -> list[tuple[str, int]]:
        """Each shift with each severity."""
        return [(name, severity) for name in self.shifts for severity in self.severities]


def measure_robustness(networks: Sequence[TrainedNetwork], split: Split, grid: ShiftGrid) -> dict[str, Any]:
    """Measures networks on images as they are and under every shift.

    Every estimate is an object with `value`, `low` and `high`, a 95 % interval by the bootstrap over images; networks
    and shifts are resampled together, so that their differences are those on the same images.

    Returns:
        Plain data: `networks`, each with `clean`, `shifts` (by name and severity, `accuracy` and `drop`), `mean`,
        `drop` of that mean, and `worst`; and for each network after the first its `differences` to it.
    """
    answers = np.stack([_answers(network, split, grid) for network in networks])
    resampled = _resample(answers, seed=grid.seed)
    means = answers.mean(axis=2)
    described = [_describe(network, means[index], resampled[:, index], grid) for index, network in enumerate(networks)]
    return {
        "num_images": len(split),
        "confidence": CONFIDENCE,
        "seed": grid.seed,
        "severities": list(grid.severities),
        "shifts": {
            name: {"meaning": SHIFTS[name].meaning, "strengths": SHIFTS[name].strengths} for name in grid.shifts
        },
        "networks": described,
        "differences": [
            _difference(networks[index].name, means[index] - means[0], resampled[:, index] - resampled[:, 0])
            for index in range(1, len(networks))
        ],
    }


def _answers(network: TrainedNetwork, split: Split, grid: ShiftGrid) -> Answers:
    """Of shape (1 + cells, images); the first row is that of the images as they are."""
    checkpoint = network.checkpoint
    rows = [split]
    rows += [
        shift_split(split, name, severity=severity, seed=grid.seed, palettes=grid.palettes)
        for name, severity in grid.cells
    ]
    return np.stack([right_answers(checkpoint.network, row, mean=checkpoint.mean, std=checkpoint.std) for row in rows])


def _resample(answers: Answers, *, seed: int) -> FloatArray:
    """Accuracies of resampled images, of shape (resamples, networks, rows)."""
    num_networks, num_rows, num_images = answers.shape
    shares = np.full(num_images, 1 / num_images)
    counts = np.random.default_rng(seed).multinomial(num_images, shares, size=NUM_RESAMPLES)
    flat = answers.reshape(-1, num_images).astype(np.float32)
    means = counts.astype(np.float32) @ flat.T / num_images
    return np.asarray(means, np.float64).reshape(NUM_RESAMPLES, num_networks, num_rows)


def _describe(network: TrainedNetwork, means: FloatArray, resampled: FloatArray, grid: ShiftGrid) -> dict[str, Any]:
    shifts: dict[str, dict[str, Any]] = {name: {} for name in grid.shifts}
    for row, (name, severity) in enumerate(grid.cells, start=1):
        shifts[name][str(severity)] = {
            "accuracy": _estimate(means[row], resampled[:, row]),
            "drop": _estimate(means[0] - means[row], resampled[:, 0] - resampled[:, row]),
        }
    worst = 1 + int(means[1:].argmin())
    name, severity = grid.cells[worst - 1]
    return {
        "name": network.name,
        "num_parameters": sum(weight.numel() for weight in network.checkpoint.network.parameters()),
        "rewarded_for": [name for name in grid.shifts if name in network.shifts.reward],
        "clean": _estimate(means[0], resampled[:, 0]),
        "shifts": shifts,
        "worst": {"shift": name, "severity": severity, **_estimate(means[worst], resampled[:, worst])},
        **_summary(means, resampled),
    }


def _difference(name: str, means: FloatArray, resampled: FloatArray) -> dict[str, Any]:
    """Of one network to the first, from differences of their accuracies."""
    return {"name": name, "clean": _estimate(means[0], resampled[:, 0]), **_summary(means, resampled)}


def _summary(means: FloatArray, resampled: FloatArray) -> dict[str, Any]:
    """The mean over all shifts and severities, and how far it lies below the accuracy on the images as they are."""
    mean, means_of = float(means[1:].mean()), resampled[:, 1:].mean(axis=1)
    return {"mean": _estimate(mean, means_of), "drop": _estimate(means[0] - mean, resampled[:, 0] - means_of)}


def _estimate(value: float, resampled: FloatArray) -> dict[str, float]:
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}
