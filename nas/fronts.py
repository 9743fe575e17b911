"""Pareto fronts: what is not dominated, how spread out, how much is dominated, and weights that seek all of it.

Every function takes values of shape (number, objectives), higher is better. A failure has values of -inf: everything
dominates it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values: TypeAlias = NDArray[np.float64]
_IDS = 2**40
"""Further draws for a trial have its id plus a multiple of this, and its weights."""
_SUM_WEIGHT = 1e-3
_LEAST_WEIGHT = 0.1
"""Relative to the largest, the weight up to which an objective bounds no step."""
_MARGIN = 0.1
"""The reference point is this share of the front's range below its worst values, so that its ends count too."""


def fronts(values: ArrayLike) -> list[NDArray[np.int64]]:
    """Sorts into fronts: indices of what nothing dominates, then of what only the first front dominates, and so on.

    A point dominates another if it is at least as good in all objectives and better in one, so equal points share a
    front (non-dominated sorting, NSGA-II, Deb et al. 2002, doi 10.1109/4235.996017).
    """
    points = _points(values)
    at_least = np.asarray((points[:, None] >= points[None]).all(axis=2))
    dominates = np.asarray(at_least & ~at_least.T)
    left, found = np.arange(len(points)), []
    while len(left):
        free = ~dominates[np.ix_(left, left)].any(axis=0)
        found.append(left[free])
        left = left[~free]
    return found


def front(values: ArrayLike) -> NDArray[np.int64]:
    """Indices of what nothing dominates; of equal points only the first."""
    points = _points(values)
    # In this order a point is dominated by earlier ones only.
    order = np.lexsort((np.arange(len(points)), *(-points.T[::-1])))
    kept = np.empty_like(points)
    found: list[int] = []
    for place in order.tolist():
        if not (kept[: len(found)] >= points[place]).all(axis=1).any():
            kept[len(found)] = points[place]
            found.append(place)
    return np.array(sorted(found), np.int64)


def crowding(values: ArrayLike) -> Values:
    """Crowding distance of each point of a front (NSGA-II): infinite at the ends of an objective, small in a crowd."""
    points = _points(values)
    distances = np.zeros(len(points))
    for column in points.T if np.isfinite(points).all() else ():
        order = np.argsort(column, kind="stable")
        width = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if width > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return distances


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """Volume that the points dominate above a reference point (Zitzler and Thiele 1999, doi 10.1109/4235.797969)."""
    floor = np.asarray(reference, np.float64)
    points = _points(values)
    above = points[(points > floor).all(axis=1)]
    return _volume(above[front(above)], floor)


def hypervolume_curve(values: Sequence[Sequence[float] | None], reference: ArrayLike) -> Values:
    """The hypervolume after each trial; None is a trial without values."""
    floor = np.asarray(reference, np.float64)
    best = np.empty((0, len(floor)))
    curve = [0.0]
    for each in values:
        point = None if each is None else np.asarray(each, np.float64)
        if point is None or not (point > floor).all() or (best >= point).all(axis=1).any():
            curve.append(curve[-1])
            continue
        best = np.vstack([best[~(best <= point).all(axis=1)], point])
        curve.append(_volume(best, floor))
    return np.array(curve[1:])


def _volume(points: Values, floor: Values) -> float:
    """Volume over a floor, by slices along the last objective."""
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(points.max() - floor[0])
    points = points[np.argsort(-points[:, -1])]
    heights = points[:, -1] - np.append(points[1:, -1], floor[-1])
    slices = ((height, points[: place + 1, :-1]) for place, height in enumerate(heights.tolist()) if height > 0)
    return float(sum(height * _volume(base, floor[:-1]) for height, base in slices))


def reference_point(values: ArrayLike, margin: float = _MARGIN) -> Values:
    """The worst values on the front, lowered by a share of the front's range, so that its ends count too."""
    points = _points(values)
    best = points[front(points)]
    low, high = best.min(axis=0), best.max(axis=0)
    return np.asarray(low - margin * np.where(high > low, high - low, np.maximum(np.abs(low), 1e-9)))


def knee(values: ArrayLike) -> int:
    """Index of the point of a front that is the farthest above the plane through its ends, after scaling to 0..1."""
    points = _points(values)
    low, high = points.min(axis=0), points.max(axis=0)
    return int(np.argmax(((points - low) / np.where(high > low, high - low, 1.0)).sum(axis=1)))


def evenly(places: ArrayLike, dimension: int) -> Values:
    """Points of a sequence that fills the unit cube evenly from any place on, of shape (places, dimension).

    It is the additive recurrence of the generalized golden ratio (Roberts 2018).
    """
    ratio = 2.0
    for _ in range(40):  # the root of x ** (dimension + 1) = x + 1
        ratio = float((1 + ratio) ** (1 / (dimension + 1)))
    steps = ratio ** -np.arange(1.0, dimension + 1)
    return np.asarray((0.5 + (np.asarray(places)[:, None] + 1) * steps) % 1)


def preference(trial_id: int, num_objectives: int) -> Values:
    """Weights of the objectives for a trial, which sum to 1 and cover all mixtures evenly as the ids count up."""
    (cuts,) = np.sort(evenly([trial_id % _IDS], num_objectives - 1))
    return np.asarray(np.diff(np.concatenate([[0.0], cuts, [1.0]])))


def scalarize(values: ArrayLike, weights: ArrayLike, scale: tuple[Values, Values]) -> Values:
    """Hypervolume scalarization (Zhang and Golovin 2020, 2006.04655): one number a point.

    It is how far one can step from a reference point in the direction of the weights and still be dominated. What is
    the best in evenly spread directions has the largest hypervolume; the long ends of a front get as many directions as
    its middle, which distances from the ideal point (Chebyshev scalarization) do not give them. Behind the reference
    point it is the worst distance from it. A small part of the sum of all objectives tells equal steps apart.

    The reference point lies behind the front that is known, and what lies beyond it would never be sought. So an
    objective of which the weight is at most a tenth of the largest bounds no step: directions along the others seek the
    true ends of the front, and the reference point follows.

    Args:
        values: of shape (number, objectives).
        weights: of the objectives.
        scale: see `front_scale`; the reference point is a tenth of it below its worst values.
    """
    low, high = scale
    above = (_points(values) - low) / (high - low) + _MARGIN
    direction = np.asarray(weights) / np.max(weights)
    bounding = direction > _LEAST_WEIGHT
    along = above[:, bounding]
    steps = np.where(along > 0, along / direction[bounding], along)
    return np.asarray(steps.min(axis=1) + _SUM_WEIGHT * above.sum(axis=1))


def front_scale(values: ArrayLike) -> tuple[Values, Values]:
    """The worst and the best value of each objective on the front; where they are equal, the worst is set one lower."""
    points = _points(values)
    best = points[front(points)]
    best = best[np.isfinite(best).all(axis=1)]
    if not len(best):
        return np.zeros(points.shape[1]), np.ones(points.shape[1])
    low, high = best.min(axis=0), best.max(axis=0)
    return np.where(high > low, low, high - 1), high


def _points(values: ArrayLike) -> Values:
    points: NDArray[Any] = np.asarray(values, np.float64)
    if points.ndim != 2:
        raise ValueError(f"values must have the shape (number, objectives), got {points.shape}")
    return points
