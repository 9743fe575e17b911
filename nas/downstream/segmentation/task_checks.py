"""Refuses tasks whose scores mean nothing: masks without a choice between classes, and shifted names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nas.data.identity import shorten
from nas.downstream.segmentation.classes import NAMES_FILE, Classes, Counts

MIN_CLASSES = 2


def check_task(root: Path, classes: Classes, train: Counts, validation: Counts, *, all_occur: bool = True) -> None:
    """Raises ValueError unless both splits hold pixels of two classes, and with `all_occur` every class occurs.

    The counts are of pixels per value in the masks of each split. Where a class of ``classes.txt`` never occurs, its
    names may be shifted by one against the values.
    """
    check_choice(f"training masks of {root}", classes, train)
    check_choice(f"validation masks of {root}", classes, validation)
    pixels = classes.count(train + validation)
    missing = [name for name, number in zip(classes.names, pixels, strict=True) if number == 0]
    if missing and all_occur:
        largest = len(classes) - len(missing)
        raise ValueError(
            f"each class must occur in the masks of {root}, got no pixel of {shorten(missing)} ({NAMES_FILE} gives the "
            f"names of the values {min(classes.values)}..{max(classes.values)}; values that occur: "
            f"{_values(train + validation)}). If value 0 is a class, set data.unlabelled=255; otherwise "
            f"data.most_frequent={largest} leaves such classes out"
        )


def check_choice(what: str, classes: Classes, counts: Counts) -> None:
    """Raises ValueError unless masks, named by `what`, hold pixels of two classes or more."""
    if (there := np.count_nonzero(classes.count(counts))) < MIN_CLASSES:
        raise ValueError(
            f"the {what} must hold pixels of at least {MIN_CLASSES} classes, got {there}: with one class every "
            "prediction is right"
        )


def describe_classes(classes: Classes, train: Counts, validation: Counts) -> Iterator[str]:
    """Yields sentences on classes that cannot be learnt or are not evaluated, and on unlabelled pixels."""
    trained, tested = classes.count(train), classes.count(validation)
    if names := [name for name, number in zip(classes.names, trained, strict=True) if number == 0]:
        yield f"{len(names)} of {len(classes)} classes have no training pixel and count with IoU 0 ({shorten(names)})"
    if names := [name for name, number in zip(classes.names, tested, strict=True) if number == 0]:
        yield f"{len(names)} of {len(classes)} classes have no validation pixel ({shorten(names)})"
    for split, counts in (("training", train), ("validation", validation)):
        share = 1 - classes.count(counts).sum() / counts.sum()
        yield f"{share:.1%} of the {split} pixels are unlabelled and not used"


def _values(counts: Counts) -> str:
    values = np.flatnonzero(counts).tolist()
    return f"{values[0]}..{values[-1]}" if values == [*range(values[0], values[-1] + 1)] else shorten(map(str, values))
