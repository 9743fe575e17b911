"""Image files in one folder per class, such as CIFAR-10 as JPEGs, Imagenette or your own images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from nas.data.data_set import DataSet, Labels, Progress, Split, channel_statistics
from nas.data.image_cache import FileList, cached_images
from nas.data.splits import draw_splits, split_training_set
from nas.fidelity import DataSpec

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
TEST_FOLDERS = ("test", "val")


def load_image_folder(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:
    """Loads ``root/train/<class>/<image>``, with test images in ``root/test`` or ``root/val``.

    The validation split is taken from the training folder; of the test folder, only the class names are checked. All
    training images are decoded regardless of `num_train`, so that all subsets share one cache entry and damaged files
    are found immediately.

    The spec's `root` is required. Without its `image_size`, all images must be squares of one size.

    Raises:
        ValueError: if a folder or its images are missing, class names differ, or a file cannot be decoded.
        RuntimeError: if the cache cannot be written.
    """
    root = _root(spec)
    class_names = _class_names(root / "train")
    files, labels = _list_images(root / "train", class_names)
    if (test := _test_folder(root)) is not None:
        _check_same_classes(test, class_names)
    load_test = partial(load_image_folder_test, spec, class_names)
    if spec.on_disk:
        return _load_on_disk(files, labels, spec, class_names=class_names, test=load_test)
    images = cached_images(files, spec.image_size, progress=progress)
    if images.shape[2] != images.shape[3]:
        came = f"{images.shape[3]} x {images.shape[2]} pixels in {root / 'train'}"
        raise ValueError(f"images must be squares unless image_size is set, got {came}")
    return split_training_set(Split(images, labels), spec, class_names=class_names, test=load_test)


def load_image_folder_test(spec: DataSpec, class_names: tuple[str, ...]) -> Split:
    """Loads all images of the test folder; raises ValueError if there is none, or it is invalid."""
    root = _named_root(spec)
    folder = _test_folder(root)
    if folder is None:
        raise ValueError(f"there must be a folder of test images, {root / 'test'} or {root / 'val'}, got neither")
    _check_same_classes(folder, class_names)
    files, labels = _list_images(folder, class_names)
    images = cached_images(files, spec.image_size)
    return Split(images if spec.on_disk else np.array(images), labels)


def _load_on_disk(
    files: FileList, labels: Labels, spec: DataSpec, *, class_names: tuple[str, ...], test: Callable[[], Split]
) -> DataSet:
    """Loads both splits memory-mapped, each from its own cache entry."""
    if spec.image_size is None:
        raise ValueError("data.image_size must be set for images that stay on disk")
    splits = {}
    for part, indices in zip(("train", "validation"), draw_splits(labels, spec), strict=True):
        names = tuple(files.names[index] for index in indices)
        images = cached_images(FileList(files.folder, names, part), spec.image_size)
        splits[part] = Split(images, labels[indices])
    mean, std = channel_statistics(splits["train"].images)
    return DataSet(splits["train"], splits["validation"], test, class_names, mean, std)


def _named_root(spec: DataSpec) -> Path:
    if spec.root is None:
        raise ValueError("the data set image_folder must have a root: the folder with train, and test or val")
    return Path(spec.root).expanduser()


def _root(spec: DataSpec) -> Path:
    root = _named_root(spec)
    if not (root / "train").is_dir():
        missing = root if not root.is_dir() else root / "train"
        raise ValueError(f"training images must be in {root / 'train'}/<class>/, but there is no folder {missing}")
    return root


def _test_folder(root: Path) -> Path | None:
    return next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)


def _class_names(folder: Path) -> tuple[str, ...]:
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise ValueError(f"{folder} must hold a folder for each class, got none")
    return tuple(names)


def _check_same_classes(test: Path, class_names: Sequence[str]) -> None:
    """Checks that the test folder has the same classes as the training folder, and images of each."""
    test_names = _class_names(test)
    if missing := sorted(set(class_names) - set(test_names)):
        raise ValueError(f"{test} must hold the classes of the training folder, {', '.join(missing):.200} is missing")
    if unknown := sorted(set(test_names) - set(class_names)):
        raise ValueError(f"{test} holds {', '.join(unknown):.200}, which the training folder does not")
    _list_images(test, class_names)


def _list_images(folder: Path, class_names: Sequence[str]) -> tuple[FileList, Labels]:
    """Lists the images of every class, sorted by name."""
    names: list[str] = []
    labels: list[int] = []
    for label, class_name in enumerate(class_names):
        found = sorted(path.name for path in (folder / class_name).iterdir() if _is_image(path))
        if not found:
            raise ValueError(f"the class folder {folder / class_name} must hold images, got none")
        names += [f"{class_name}/{name}" for name in found]
        labels += [label] * len(found)
    return FileList(folder, tuple(names)), np.array(labels, dtype=np.int64)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
