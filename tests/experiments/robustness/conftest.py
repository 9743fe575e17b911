from __future__ import annotations

from collections.abc import Callable

import pytest

from experiments.comparison.statistics import Interval
from experiments.robustness.results import NetworkRobustness, Robustness, ShiftInfo, ShiftScore, WorstShift


def _estimate(value: float, half: float = 0.01) -> Interval:
    return Interval(value, value - half, value + half)


@pytest.fixture
def make_network() -> Callable[..., NetworkRobustness]:
    """Makes the results of a network from its accuracies on the unshifted and the shifted images."""

    def make(name, clean, shifted, *, shifts=("blur",), severities=(3,), rewarded=()):
        score = ShiftScore(_estimate(shifted), _estimate(clean - shifted))
        scores = {shift: {str(severity): score for severity in severities} for shift in shifts}
        worst = WorstShift(shifted, shifted - 0.01, shifted + 0.01, "blur", 3)
        summary = _estimate(shifted), _estimate(clean - shifted), worst
        return NetworkRobustness(name, _estimate(clean), scores, *summary, tuple(rewarded), 7)

    return make


@pytest.fixture
def make_robustness() -> Callable[..., Robustness]:
    """Makes the results of several networks."""

    def make(networks, differences=(), *, shifts=("blur",), severities=(3,), num_images=10):
        described = {shift: ShiftInfo("what it means", (1.0,)) for shift in shifts}
        return Robustness(
            num_images=num_images,
            seed=0,
            severities=tuple(severities),
            shifts=described,
            networks=tuple(networks),
            differences=tuple(differences),
        )

    return make
