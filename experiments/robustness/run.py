"""`nas robustness`: accuracy of trained networks under shifts of the appearance of the images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.architectures.trained import TrainedNetwork, find_trained, load_test_images
from experiments.comparison.statistics import TAILS, FloatArray, Interval
from experiments.robustness.figure import draw_robustness
from experiments.robustness.results import (
    NetworkRobustness,
    Robustness,
    RobustnessDifference,
    ShiftInfo,
    ShiftScore,
    WorstShift,
)
from nas.data.data_set import Split
from nas.files.atomic_write import write_text
from nas.files.storage import make_folder
from nas.shifts.measure import right_answers
from nas.shifts.style import Palettes, read_palettes
from nas.shifts.table import SEVERITIES, SHIFTS, check_shifts, shift_split, shifts_for

NUM_RESAMPLES = 1000
Answers = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RobustnessOptions:
    """Options of the command line.

    Attributes:
        data: a folder of images, or the name of a built-in data set; None for the data of the run.
        shifts: names; empty for the test shifts of the first network's run, else all shifts that suit the images.
        severities: of 1 to 5, ascending.
        seed: of the shifts and the intervals.
        most: maximum number of test images; None for all.
        pictures: a folder of reference images for the shift `style`; None for the built-in ones.
    """

    data: str | None = None
    shifts: tuple[str, ...] = ()
    severities: tuple[int, ...] = SEVERITIES
    seed: int = 0
    most: int | None = None
    pictures: Path | None = None


def run_robustness(names: Sequence[str], out: Path, options: RobustnessOptions) -> Robustness:
    """Measures networks, given as files of weights, runs or RUN@k, on the same images.

    Writes ``robustness.json``, ``robustness.png`` and ``robustness.svg`` to the folder `out`, made if missing.

    Raises:
        ValueError: if a network, the images, a shift or a severity is not valid.
        OSError: if a file cannot be read or written.
    """
    networks = [find_trained(name) for name in names]
    asked = options.shifts or networks[0].shifts.test
    check_shifts(asked)  # before reading the images, which may take long
    split, images = load_test_images(networks, options.data, most=options.most)
    num_channels = split.images.shape[1]
    shifts = check_shifts(asked or shifts_for(num_channels), num_channels=num_channels)
    palettes = read_palettes(options.pictures, num_channels=num_channels) if "style" in shifts else None
    measured = measure_robustness(networks, split, ShiftGrid(shifts, options.severities, options.seed, palettes))
    result = replace(measured, images=images)
    make_folder(out)
    text = json.dumps(result.to_json(), indent=2, allow_nan=False)
    write_text(out / "robustness.json", text + "\n")
    draw_robustness(result, out)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class ShiftGrid:
    """All combinations of shifts and severities; `palettes` of reference images are for the shift `style`."""

    shifts: tuple[str, ...]
    severities: tuple[int, ...]
    seed: int = 0
    palettes: Palettes | None = None

    @property
    def cells(self) -> list[tuple[str, int]]:
        """All pairs of a shift and a severity."""
        return [(name, severity) for name in self.shifts for severity in self.severities]


def measure_robustness(networks: Sequence[TrainedNetwork], split: Split, grid: ShiftGrid) -> Robustness:
    """Evaluates networks on the unshifted images and under each shift.

    Estimates have 95 % bootstrap intervals over images. The same resamples serve all networks and shifts, so that
    differences are paired by image.
    """
    answers = np.stack([_answers(network, split, grid) for network in networks])
    samples = _sample(answers, seed=grid.seed)
    return Robustness(
        num_images=len(split),
        seed=grid.seed,
        severities=grid.severities,
        shifts={name: ShiftInfo(SHIFTS[name].meaning, SHIFTS[name].strengths) for name in grid.shifts},
        networks=tuple(_describe(network, samples[:, index], grid) for index, network in enumerate(networks)),
        differences=tuple(
            _difference(network.name, samples[:, index] - samples[:, 0])
            for index, network in enumerate(networks[1:], start=1)
        ),
    )


def _answers(network: TrainedNetwork, split: Split, grid: ShiftGrid) -> Answers:
    """Whether each image is classified correctly, shape (1 + cells, images), the unshifted images first."""
    checkpoint = network.checkpoint
    shifted = partial(shift_split, split, seed=grid.seed, palettes=grid.palettes)
    rows = [split, *(shifted(name, severity=severity) for name, severity in grid.cells)]
    return np.stack([right_answers(checkpoint.network, row, mean=checkpoint.mean, std=checkpoint.std) for row in rows])


def _sample(answers: Answers, *, seed: int) -> FloatArray:
    """Accuracies on the images and on resampled ones, shape (1 + resamples, networks, rows)."""
    num_networks, num_rows, num_images = answers.shape
    shares = np.full(num_images, 1 / num_images)
    counts = np.random.default_rng(seed).multinomial(num_images, shares, size=NUM_RESAMPLES)
    flat = answers.reshape(-1, num_images).astype(np.float32)
    means = np.asarray(counts.astype(np.float32) @ flat.T / num_images, np.float64)
    return np.concatenate([answers.mean(axis=2)[None], means.reshape(NUM_RESAMPLES, num_networks, num_rows)])


def _describe(network: TrainedNetwork, samples: FloatArray, grid: ShiftGrid) -> NetworkRobustness:
    shifts: dict[str, dict[str, ShiftScore]] = {name: {} for name in grid.shifts}
    for row, (name, severity) in enumerate(grid.cells, start=1):
        drop = _estimate(samples[:, 0] - samples[:, row])
        shifts[name][str(severity)] = ShiftScore(_estimate(samples[:, row]), drop)
    name, severity = grid.cells[int(samples[0, 1:].argmin())]
    lowest = shifts[name][str(severity)].accuracy
    summary = _difference(network.name, samples)
    return NetworkRobustness(
        name=network.name,
        clean=summary.clean,
        shifts=shifts,
        mean=summary.mean,
        drop=summary.drop,
        worst=WorstShift(lowest.value, lowest.low, lowest.high, name, severity),
        rewarded_for=tuple(name for name in grid.shifts if name in network.shifts.reward),
        num_parameters=sum(weight.numel() for weight in network.checkpoint.network.parameters()),
    )


def _difference(name: str, samples: FloatArray) -> RobustnessDifference:
    """Summarizes accuracies, or differences of accuracies, by the unshifted images and the mean over all shifts."""
    clean, shifted = samples[:, 0], samples[:, 1:].mean(axis=1)
    return RobustnessDifference(name, _estimate(clean), _estimate(shifted), _estimate(clean - shifted))


def _estimate(samples: FloatArray) -> Interval:
    low, high = np.quantile(samples[1:], TAILS)
    return Interval(float(samples[0]), float(low), float(high))
