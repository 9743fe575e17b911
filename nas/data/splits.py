"""Class-balanced drawing of images and splitting into training and validation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nas.data.data_set import DataSet, Labels, Split, channel_statistics
from nas.fidelity import DataSpec

Indices = npt.NDArray[np.int64]
MIN_CLASSES = 2


def split_training_set(
    complete: Split, spec: DataSpec, *, class_names: tuple[str, ...], test: Callable[[], Split]
) -> DataSet:
    """Splits a training set as specified; raises ValueError for fewer than two classes, or too few images."""
    if len(class_names) < MIN_CLASSES:
        raise ValueError(f"a data set must have at least {MIN_CLASSES} classes, got {', '.join(class_names)}")
    train, validation = draw_splits(complete.labels, spec)
    train_split = complete.take(train)
    mean, std = channel_statistics(train_split.images)
    return DataSet(train_split, complete.take(validation), test, class_names, mean, std)


def draw_splits(labels: Labels, spec: DataSpec) -> tuple[Indices, Indices]:
    """Draws the indices of training and validation images, both sorted and balanced over the classes.

    Raises ValueError if there are too few images in total, or too few of a class to have it in both splits.
    """
    generator = np.random.default_rng(spec.split_seed)
    by_class = [generator.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    sizes = np.array([len(members) for members in by_class])
    num_train = int(sizes.sum()) if spec.num_train is None else spec.num_train
    if num_train > sizes.sum():
        raise ValueError(f"num_train must be at most {sizes.sum()}, the size of the training set, got {num_train}")
    drawn = even_counts(sizes, num_train)
    held_out = proportional_counts(drawn, round(num_train * spec.validation_fraction))
    if (held_out < 1).any() or (drawn - held_out < 1).any():
        raise ValueError(
            f"each of the {len(sizes)} classes needs images for training and validation; {num_train} images "
            f"with validation_fraction {spec.validation_fraction} leave a class without"
        )
    validation = np.concatenate([m[:out] for m, out in zip(by_class, held_out, strict=True)])
    train = np.concatenate([m[out:n] for m, out, n in zip(by_class, held_out, drawn, strict=True)])
    return np.sort(train), np.sort(validation)


def even_counts(sizes: Indices, total: int) -> Indices:
    """Divides `total` evenly over classes of the given sizes; small classes are used completely."""
    counts = np.zeros_like(sizes)
    while counts.sum() < total:
        open_classes = np.flatnonzero(counts < sizes)
        missing = total - int(counts.sum())
        share = max(1, missing // len(open_classes))
        for label in open_classes[:missing]:
            counts[label] = min(sizes[label], counts[label] + share)
    return counts


def proportional_counts(sizes: Indices, total: int) -> Indices:
    """Divides `total` in proportion to `sizes`; the remainder goes to the largest fractions."""
    exact = sizes * total / sizes.sum()
    counts: Indices = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts
