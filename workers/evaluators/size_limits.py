"""Limits on the size of the networks that evaluators build."""

from __future__ import annotations

from nas.models.complexity import Complexity, measure
from nas.models.reference.descriptions import Buildable
from nas.trial import Trial


class TooLargeError(ValueError):
    """The network exceeds a limit on its size."""


def buildable(trial: Trial) -> Buildable:
    """Returns a trial's architecture; raises ValueError if no network can be built of it."""
    if not isinstance(trial.architecture, Buildable):
        came = type(trial.architecture).__name__
        raise ValueError(f"only architectures made of cells and reference networks can be trained, got {came}")
    return trial.architecture


def measure_within(trial: Trial, max_parameters: int | None, max_multiply_adds: int | None) -> Complexity:
    """Measures a trial's network; raises TooLargeError if it has more parameters or multiply-adds, None: no limit."""
    complexity = measure(buildable(trial), trial.fidelity.network)
    _check_size("parameters", complexity.num_parameters, max_parameters)
    _check_size("multiply-adds", complexity.num_multiply_adds, max_multiply_adds)
    return complexity


def _check_size(name: str, number: int, bound: int | None) -> None:
    if bound is not None and number > bound:
        raise TooLargeError(f"the network may have at most {bound:,} {name}, got {number:,}")
