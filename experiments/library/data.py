"""Data sets from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data.data_set import DataSet, Split
from nas.data.splits import split_training_set
from nas.fidelity import DataSpec


def data_set(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    test: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    class_names: Sequence[str] | None = None,
    validation_fraction: float = 0.25,
    seed: int = 0,
) -> DataSet:
    """Makes a data set of arrays, with a part of the images held out for validation.

    Args:
        images: uint8 (images, channels, height, width), or (images, height, width) for grayscale.
        labels: class numbers from 0, one for each image.
        test: images and labels for the final test; a search never reads them.
        class_names: names of the classes; by default their numbers.
        validation_fraction: share of the images held out for validation, drawn evenly from all classes.
        seed: of the draw.

    Raises:
        ValueError: if an array has another type or shape, or a class has too few images.

    Example:
        >>> import nas, numpy
        >>> images = numpy.zeros((40, 8, 8), dtype=numpy.uint8)
        >>> data = nas.data_set(images, numpy.arange(40) % 4)
        >>> len(data.train), len(data.validation), data.image_size
        (30, 10, (8, 8))
    """
    split = _split(images, labels)
    names = tuple(map(str, range(int(split.labels.max()) + 1))) if class_names is None else tuple(class_names)
    spec = DataSpec("arrays", validation_fraction=validation_fraction, split_seed=seed)
    return split_training_set(split, spec, class_names=names, test=lambda: _test(test))


def _split(images: Any, labels: Any) -> Split:  # noqa: ANN401 - whatever numpy takes
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim == 4 and images.shape[3] <= 4 < images.shape[1]:
        raise ValueError(
            "images must be (images, channels, height, width), got the channels last, as it seems: "
            f"{images.shape}; try: images.transpose(0, 3, 1, 2)"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers, got {labels.dtype}")
    return Split(images, labels.astype(np.int64))


def _test(test: tuple[npt.ArrayLike, npt.ArrayLike] | None) -> Split:
    if test is None:
        raise ValueError("this data set was made without test images: give data_set(..., test=(images, labels))")
    return _split(*test)
