"""Table of data sets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from nas.data.cifar10 import load_cifar10
from nas.data.data_set import IMAGENET_MEAN, IMAGENET_STD, DataSet, Progress
from nas.data.digits import load_digits
from nas.data.image_folder import load_image_folder
from nas.data.streamed_folder import load_streamed_folder
from nas.fidelity import DataSpec

DATA_SETS: Mapping[str, Callable[..., DataSet]] = {
    "digits": load_digits,
    "image_folder": load_image_folder,
    "cifar10": load_cifar10,
}
"""Functions of a `DataSpec` and, by keyword, `progress`; they raise ValueError if it does not fit the images."""


def load_data(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:
    """Loads the data set named by `spec`; decoding calls `progress` with the number of images done and the total.

    Raises:
        ValueError: if the data set is unknown, missing or invalid, or has too few images.
        RuntimeError: if it cannot be downloaded.
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
