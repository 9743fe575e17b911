"""Pascal VOC's average precision of boxes at an overlap of 0.5, as VOCevaldet.m of the devkits computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.downstream.detection.annotations import Annotation, Annotations

MIN_OVERLAP = 0.5
_NUM_POINTS = 11

_Flags = NDArray[np.bool_]


def voc_average_precision(annotations: Annotations, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Computes average precision as Pascal VOC does, by category.

    A detection is right if its overlap with the object of its category that it overlaps most is at least 0.5, and no
    detection with a higher score has that object. Detections of difficult objects are neither right nor wrong, and
    difficult objects need not be found.

    `found` holds detections in COCO's results format, with ``bbox``.

    Returns:
        ``eleven_points``: mean over the categories with objects of the mean precision at recalls 0, 0.1, .., 1 (2007);
        ``area``: likewise of the area under the curve of precision (2010 and later); ``ap``: that of the two by which
        the images are evaluated by definition; ``categories``: the latter by name. None without objects.
    """
    numbers: dict[str, dict[str, float | None]] = {"eleven_points": {}, "area": {}}
    for category, name in annotations.categories.items():
        right, num_objects = match(annotations, found, category)
        numbers["eleven_points"][name] = eleven_points(right, num_objects) if num_objects else None
        numbers["area"][name] = area(right, num_objects) if num_objects else None
    own = "eleven_points" if annotations.eleven_points else "area"
    means = {kind: _mean(each) for kind, each in numbers.items()}
    return {"ap": means[own], **means, "categories": numbers[own]}


def match(annotations: Annotations, found: Sequence[Mapping[str, Any]], category: int) -> tuple[_Flags, int]:
    """Decides which detections of a category are right.

    Returns:
        Whether each is right, from the highest score on, without those of difficult objects; and the number of objects
        that are not difficult.
    """
    objects = {
        image: [each for each in some if each.category == category] for image, some in annotations.objects.items()
    }
    taken: set[int] = set()
    right: list[bool] = []
    for detection in sorted(
        (each for each in found if each["category_id"] == category), key=lambda each: -each["score"]
    ):
        nearest = _nearest(detection["bbox"], objects.get(detection["image_id"], ()))
        if nearest is None:
            right.append(False)
        elif not nearest.is_ignored:
            right.append(nearest.id not in taken)
            taken.add(nearest.id)
    return np.array(right, dtype=bool), sum(not each.is_ignored for some in objects.values() for each in some)


def eleven_points(right: _Flags, num_objects: int) -> float:
    """Computes the mean of the highest precision at recalls of at least 0, 0.1, .., 1."""
    precision, recalled = _precision(right)
    wanted = [(_NUM_POINTS - 1) * recalled >= point * num_objects for point in range(_NUM_POINTS)]  # whole numbers
    return float(np.mean([precision[there].max(initial=0.0) for there in wanted]))


def area(right: _Flags, num_objects: int) -> float:
    """Computes the area under the curve of precision, made monotonic, over recall."""
    precision, _ = _precision(right)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(highest[right].sum() / num_objects)


def _precision(right: _Flags) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the precision, and the number of objects found, after each detection."""
    recalled: NDArray[np.int64] = np.cumsum(right, dtype=np.int64)
    return recalled / np.arange(1, len(right) + 1), recalled


def _nearest(box: Sequence[float], objects: Sequence[Annotation]) -> Annotation | None:
    """Returns the object of the highest overlap, if that is at least `MIN_OVERLAP`."""
    overlap, nearest = max(
        ((_overlap(box, each.box), each) for each in objects), key=lambda pair: pair[0], default=(0.0, None)
    )
    return nearest if overlap >= MIN_OVERLAP else None


def _overlap(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Computes intersection over union of two boxes x, y, width, height."""
    sides = [
        min(ours[axis] + ours[axis + 2], theirs[axis] + theirs[axis + 2]) - max(ours[axis], theirs[axis])
        for axis in (0, 1)
    ]
    shared = max(sides[0], 0.0) * max(sides[1], 0.0)
    return shared / (ours[2] * ours[3] + theirs[2] * theirs[3] - shared) if shared else 0.0


def _mean(numbers: Mapping[str, float | None]) -> float | None:
    known = [number for number in numbers.values() if number is not None]
    return float(np.mean(known)) if known else None
