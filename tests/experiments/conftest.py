from __future__ import annotations

from collections.abc import Callable

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.decisions import Rollout
from nas.fidelity import Fidelity
from nas.trial import Trial


def _architecture(number: int) -> Architecture:
    """One of six architectures that differ in their operations."""
    ops = ("identity", "conv_1x1", "max_pool_3x3", "sep_conv_3x3", "avg_pool_3x3", "conv_3x3")
    cell = Cell((Block(Edge(0, ops[number % 6]), Edge(1, "identity")),))
    return Architecture(cell, cell)


@pytest.fixture
def make_trial() -> Callable[..., Trial]:
    """Makes a trial from its number and that of its architecture."""

    def make(trial_id: int, architecture: int | None = None) -> Trial:
        number = trial_id if architecture is None else architecture
        return Trial(trial_id, Rollout((number,), -1.0), _architecture(number), Fidelity(), seed=trial_id)

    return make
