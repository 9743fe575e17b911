"""CIFAR-10 as downloaded by torchvision: bit-identical to the original, unlike copies stored as JPEG files."""

from __future__ import annotations

from functools import partial

import numpy as np

from nas.data.data_set import DataSet, Progress, Split
from nas.data.file_digests import cache_folder
from nas.data.resize import resize_split
from nas.data.splits import split_training_set
from nas.fidelity import DataSpec


def load_cifar10(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:  # noqa: ARG001 - none to report
    """Loads CIFAR-10, downloading it first if it is not under `root` (None: the cache folder).

    Raises RuntimeError if it cannot be downloaded, and ValueError if the spec needs more images.
    """
    complete, names = _read(spec, train=True)
    return split_training_set(complete, spec, class_names=names, test=partial(load_cifar10_test, spec))


def load_cifar10_test(spec: DataSpec) -> Split:
    """Loads the 10,000 test images."""
    return _read(spec, train=False)[0]


def _read(spec: DataSpec, *, train: bool) -> tuple[Split, tuple[str, ...]]:
    from torchvision.datasets import CIFAR10

    root = str(cache_folder()) if spec.root is None else spec.root
    try:
        part = CIFAR10(root, train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise RuntimeError(
            f"CIFAR-10 is not in {root} and cannot be downloaded ({error}); "
            "for a copy stored as a folder of images, use the data set image_folder"
        ) from None
    images = np.ascontiguousarray(np.asarray(part.data, dtype=np.uint8).transpose(0, 3, 1, 2))
    split = Split(images, np.asarray(part.targets, dtype=np.int64))
    return resize_split(split, spec.image_size), tuple(part.classes)
