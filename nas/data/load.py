"""Table of data sets by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nas.data.cifar10 import load_cifar10
from nas.data.data_set import IMAGENET_MEAN, IMAGENET_STD, DataSet, Progress
from nas.data.digits import load_digits
from nas.data.image_folder import load_image_folder
from nas.data.streamed_folder import load_streamed_folder
from nas.fidelity import DataSpec
from nas.plugins import Table


def _from_outside(value: Any) -> Callable[..., DataSet]:  # noqa: ANN401 - any object
    """Makes a loader of a data set in memory, or of a function of a `DataSpec`."""
    if isinstance(value, DataSet):
        return lambda _spec, *, progress: value  # noqa: ARG005 - the call of every loader
    if not callable(value):
        raise ValueError(
            f"a data set must be a DataSet, or a function of a DataSpec that loads one, got {value!r:.100}"
        )
    takes_progress = "progress" in inspect.signature(value).parameters

    def load(spec: DataSpec, *, progress: Progress | None) -> DataSet:
        loaded = value(spec, progress=progress) if takes_progress else value(spec)
        if not isinstance(loaded, DataSet):
            raise ValueError(f"the data set {spec.name} must be a DataSet, got {type(loaded).__name__}")
        return loaded

    return load


DATA_SETS: Table[Callable[..., DataSet]] = Table(
    "data set",
    {
        "digits": load_digits,
        "image_folder": load_image_folder,
        "cifar10": load_cifar10,
    },
    _from_outside,
)
"""Functions of a `DataSpec` and, by keyword, `progress`; they raise ValueError if it does not fit the images."""


def load_data(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:
    """Loads the data set named by `spec`; decoding calls `progress` with the number of images done and the total.

    Raises:
        ValueError: if the data set is unknown, missing or invalid, or has too few images.
        RuntimeError: if it cannot be downloaded.

    Example:
        >>> import nas
        >>> data = nas.load_data(nas.DataSpec("digits", validation_fraction=0.25))
        >>> len(data.validation), data.image_size
        (359, (8, 8))
    """
    if spec.name not in DATA_SETS:
        raise ValueError(f"the data set must be one of {', '.join(DATA_SETS)}, got {spec.name!r:.100}")
    if spec.streamed:
        return load_streamed_folder(spec, progress=progress)
    data = DATA_SETS[spec.name](spec, progress=progress)
    if spec.statistics == "counted":
        return data
    if data.num_channels != len(IMAGENET_MEAN):
        raise ValueError(f"statistics: imagenet needs images of 3 channels, got {data.num_channels}")
    return replace(data, mean=IMAGENET_MEAN, std=IMAGENET_STD)
