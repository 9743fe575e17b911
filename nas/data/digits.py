"""Handwritten digits of scikit-learn: 1,797 grayscale images of 8x8 pixels, for searches within seconds."""

from __future__ import annotations

from functools import partial

import numpy as np

from nas.data.data_set import DataSet, Progress, Split
from nas.data.resize import resize_split
from nas.data.splits import split_training_set
from nas.fidelity import DataSpec

NUM_TEST = 360
_LARGEST_VALUE = 16


def load_digits(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:  # noqa: ARG001 - none to report
    """Loads the digits: 1,437 images for training and validation, and 360 test images independent of the split seed.

    Raises ValueError if the spec needs more images; its `root` is ignored.
    """
    complete = resize_split(_read_part(test=False), spec.image_size)
    names = tuple(str(digit) for digit in range(10))
    return split_training_set(complete, spec, class_names=names, test=partial(load_digits_test, spec))


def load_digits_test(spec: DataSpec) -> Split:
    """Loads the 360 test images."""
    return resize_split(_read_part(test=True), spec.image_size)


def _read_part(*, test: bool) -> Split:
    """Reads the test images or the rest, both stratified by class."""
    from sklearn.datasets import load_digits as read_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = read_digits(return_X_y=True)
    grey = np.rint(pixels * (255 / _LARGEST_VALUE)).astype(np.uint8).reshape(-1, 1, 8, 8)
    parts = train_test_split(np.arange(len(labels)), test_size=NUM_TEST, stratify=labels, random_state=0)
    indices = np.sort(parts[1 if test else 0])
    return Split(grey, labels.astype(np.int64)).take(indices)
