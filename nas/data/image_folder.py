"""Image files in one folder per class, such as CIFAR-10 as JPEGs, Imagenette or your own images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from nas.data.class_folders import (
    ClassFolders,
    Layout,
    find_layout,
    list_images,
    list_test_images,
    named_root,
    test_report,
)
from nas.data.data_set import DataSet, Progress, Split, channel_statistics
from nas.data.file_digests import digest_file
from nas.data.identity import FileDigest, Identity, copies_in_training, identify_files, shorten
from nas.data.image_cache import FileList, cached_images
from nas.data.picture_notices import picture_notices
from nas.data.report import join_left_out
from nas.data.shard_folders import find_shards
from nas.data.splits import ImageSource, check_classes, draw_splits, split_training_set
from nas.fidelity import DataSpec


def load_image_folder(spec: DataSpec, *, progress: Progress | None = None) -> DataSet:
    """Loads ``root/train/<class>/<image>``, with test images in ``root/test`` or ``root/val``; or ``root/<class>/``.

    The validation split is taken from the training folder. Without a training folder the images of ``root/<class>/``
    are split, and there are no test images. All training images are decoded regardless of `num_train`, so that all
    subsets share one cache entry and damaged files are found immediately; test images are decoded for the test only.

    The spec's `root` is required. Without its `image_size`, all images must be squares of one size.

    Raises:
        ValueError: if a folder or its images are missing, class names differ, or a file cannot be decoded.
        RuntimeError: if the cache cannot be written.
    """
    if find_shards(named_root(spec)) is not None:
        raise ValueError(f"the images of {spec.root} are in tar shards, which need data.streamed: true")
    layout = find_layout(spec)
    names = layout.class_names
    check_classes(names)
    train = list_images(layout.train, names, spec)
    test = None if layout.test is None else list_test_images(named_root(spec), names, spec)
    train = replace(train, files=train.files.with_digests())
    source = _describe(layout, train, test)
    load_test = partial(load_image_folder_test, spec, names)
    if spec.on_disk:
        return _load_on_disk(train, spec, source, class_names=names, test=load_test)
    images = cached_images(train.files, spec.image_size, progress=progress)
    if images.shape[2] != images.shape[3]:
        came = f"{images.shape[3]} x {images.shape[2]} pixels in {layout.train}"
        raise ValueError(f"images must be squares unless image_size is set, got {came}")
    return split_training_set(Split(images, train.labels), spec, class_names=names, test=load_test, source=source)


def load_image_folder_test(spec: DataSpec, class_names: tuple[str, ...]) -> Split:
    """Loads all images of the test folder; raises ValueError if there is none, or it is invalid."""
    found = list_test_images(named_root(spec), class_names, spec)
    images = cached_images(found.files, spec.image_size)
    return Split(images if spec.on_disk else np.array(images), found.labels, report=test_report(found))


def _load_on_disk(
    complete: ClassFolders,
    spec: DataSpec,
    source: ImageSource,
    *,
    class_names: tuple[str, ...],
    test: Callable[[], Split],
) -> DataSet:
    """Loads both splits memory-mapped, each from its own cache entry."""
    if spec.image_size is None:
        raise ValueError("data.image_size must be set for images that stay on disk")
    splits = {}
    chosen = draw_splits(complete.labels, spec, names=source.names, class_names=class_names)
    for part, indices in zip(("train", "validation"), chosen, strict=True):
        images = cached_images(complete.files.select(indices, part), spec.image_size)
        splits[part] = Split(images, complete.labels[indices])
    mean, std = channel_statistics(splits["train"].images)
    report = source.report(*chosen)
    return DataSet(splits["train"], splits["validation"], test, class_names, mean, std, report)


def _describe(layout: Layout, train: ClassFolders, test: ClassFolders | None) -> ImageSource:
    """Describes the files of a data set; those for training have their digests."""
    parts = [each for each in (train, test) if each is not None]
    test = None if test is None else replace(test, files=test.files.with_digests())
    left_out = join_left_out((_prefix(each.files, layout.root), each.left_out) for each in parts)
    return ImageSource(
        identity=_identify(train.files, layout.root),
        names=train.files.names,
        digests=[digest for _, digest in train.files.digests or ()],
        num_test=None if test is None else len(test.files.names),
        left_out=(*left_out, *layout.left_out),
        notices=(*layout.notices, *picture_notices(train.files.paths), *_label_notices(layout, train, test)),
        tested=None if test is None else _identify(test.files, layout.root, test.label_list),
    )


def _label_notices(layout: Layout, train: ClassFolders, test: ClassFolders | None) -> Iterator[str]:
    """Says which images have contradictory labels, which test images are trained on, and whose labels they have."""
    known: dict[str, int] = {}
    trained = dict(zip(train.files.names, train.files.digests or (), strict=True))
    twice = [
        name
        for (name, (_, digest)), label in zip(trained.items(), train.labels.tolist(), strict=True)
        if known.setdefault(digest, label) != label
    ]
    if twice:
        yield f"{len(twice):,} images have an identical copy in another class ({shorten(twice)})"
    if test is not None and test.label_list is not None:
        yield f"the labels of the test images are those of {test.label_list}"
    if test is not None:
        yield from copies_in_training(trained, _digests(test.files, layout.root), "test images")


def _identify(files: FileList, root: Path, label_list: Path | None = None) -> Identity:
    found = _digests(files, root)
    if label_list is not None:
        found[f"{_prefix(files, root)}{label_list.name}"] = label_list.stat().st_size, digest_file(label_list)
    return identify_files(found)


def _digests(files: FileList, root: Path) -> dict[str, FileDigest]:
    """The digests of files by path relative to the root."""
    prefix = _prefix(files, root)
    return {f"{prefix}{name}": each for name, each in zip(files.names, files.digests or (), strict=True)}


def _prefix(files: FileList, root: Path) -> str:
    return "" if files.folder == root else f"{files.folder.name}/"
