"""Loads and checks the images and masks of segmenters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from nas.data.file_digests import digest_files
from nas.data.formats.orientation import read_size, turn_upright
from nas.data.identity import FileDigest, Identity, copies_in_training, identify_files, shorten
from nas.data.image_decoding import decode_image
from nas.data.picture_notices import picture_notices
from nas.data.report import DataReport, LeftOut, join_left_out
from nas.downstream.segmentation.classes import Classes, Counts, check_same_names, choose_classes, listed_classes
from nas.downstream.segmentation.layout import Layout, Split, refuse_sets
from nas.downstream.segmentation.layouts import find_layout, match_classes
from nas.downstream.segmentation.pairs import FoundPairs, Pair, find_pairs
from nas.downstream.segmentation.settings import SegmentationData
from nas.downstream.segmentation.task_checks import check_choice, check_task, describe_classes

_MAX_THREADS = 16


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationSplit:
    """Images with masks, in the order of their names, and the numbers of pixels per value of the masks.

    Attributes:
        classes: of these masks, if they are of another data set than the training images.
    """

    pairs: tuple[Pair, ...]
    counts: Counts
    classes: Classes | None = None

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationFolder:
    """Images to train and evaluate a segmenter on, the classes to learn, and what is used and left out."""

    train: SegmentationSplit
    validation: SegmentationSplit
    classes: Classes
    report: DataReport | None = None


def read_folder(root: Path, spec: SegmentationData) -> SegmentationFolder:
    """Loads both splits of a folder, see `SegmentationData`, decodes every file, and determines the classes.

    Raises:
        ValueError: if there are no images, an image has no mask or one of another size, a file cannot be decoded, a
            mask holds an unknown value, or there is nothing to learn, see `check_task`; names the first such file.
    """
    layout = find_layout(root, spec.format)
    train, per_train, found_train = _read_split(root, "train", layout, spec.train_sets)
    validation, per_validation, found_validation = _read_split(root, "val", layout, spec.evaluation_sets)
    known = None if layout is None else layout.classes
    classes = choose_classes(root, spec, train.counts, validation.counts, known=known)
    for split, each in ((train, per_train), (validation, per_validation)):
        _check_values(split, each, classes)
    check_task(root, classes, train.counts, validation.counts, all_occur=layout is None)
    report = _describe(root, {"train": found_train, "val": found_validation}, classes)
    notices = (*report.notices, *describe_classes(classes, train.counts, validation.counts))
    report = DataReport(report.used, report.left_out, notices, report.identity)
    return SegmentationFolder(train, validation, classes, report)


def read_test_split(root: Path, spec: SegmentationData, classes: Classes) -> SegmentationSplit:
    """Loads ``val`` of another folder or data set to evaluate a trained network of these classes on.

    Raises:
        ValueError: see `read_folder`; also if the folder has other class names.
    """
    layout = find_layout(root, "auto")
    theirs = _classes_of_test(root, spec, classes, layout)
    split, per_mask, _ = _read_split(root, "val", layout, None)
    _check_values(split, per_mask, theirs)
    check_choice(f"masks of val in {root}", theirs, split.counts)
    return replace(split, classes=theirs)


def _classes_of_test(root: Path, spec: SegmentationData, classes: Classes, layout: Layout | None) -> Classes:
    """Returns the classes with their values in another folder: equal ones in two folders of masks."""
    if layout is not None:
        return match_classes(classes, layout.classes, root)
    trained_on_layout = spec.root is not None and find_layout(Path(spec.root), spec.format) is not None
    listed = listed_classes(root, spec)
    if trained_on_layout and listed is not None:
        return match_classes(classes, listed, root)
    check_same_names(classes, root, spec)
    return classes


def identify_test_split(root: Path, split: SegmentationSplit) -> Identity:
    """Identifies the images of `read_test_split`; OSError if one cannot be read."""
    images, masks = zip(*((pair.image, pair.mask) for pair in split.pairs), strict=True)
    return identify_files(_digests(root, images) | _digests(root, masks))


def read_mask(path: Path) -> npt.NDArray[np.uint8]:
    """Decodes a mask to uint8 of shape (height, width), turned as its EXIF orientation says.

    Raises:
        ValueError: if it cannot be decoded, or does not have one channel of 8 bits.
    """
    return _decode_mask(path)[0]


def read_picture(pair: Pair, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Decodes the picture of a mask, uint8 (3, height, width), as displayed unless only the stored one has its size."""
    height, width = mask.shape
    return decode_image(pair.image, None, annotated=(width, height))


def _decode_mask(path: Path) -> tuple[npt.NDArray[np.uint8], list[int] | None]:
    """Returns a mask, and its palette if it has one."""
    try:
        with Image.open(path) as image:
            image.load()
            mode, mask, palette = image.mode, np.asarray(turn_upright(image)), image.getpalette()
    except Exception as error:  # Pillow raises half a dozen types for damaged files
        raise ValueError(f"{path} is not a mask that can be decoded: {error}") from None
    if mode not in {"L", "P"}:
        raise ValueError(f"{path} must be a mask of one channel of 8 bits (L or P), got {mode}")
    return mask, palette


def _read_split(
    root: Path, name: Split, layout: Layout | None, sets: tuple[str, ...] | None
) -> tuple[SegmentationSplit, list[Counts], FoundPairs]:
    if layout is None:
        refuse_sets("a folder", sets)
        found = find_pairs(root, name)
    else:
        found = layout.find(root, name, sets)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as threads:
        counted = list(threads.map(partial(_count_checked, layout=layout), found.pairs))
    per_mask = [counts for counts in counted if counts is not None]
    if len(per_mask) < len(counted):
        found = _without_other_sizes(root, found, counted)
    return SegmentationSplit(found.pairs, np.sum(per_mask, axis=0)), per_mask, found


def _without_other_sizes(root: Path, found: FoundPairs, counted: Sequence[Counts | None]) -> FoundPairs:
    kept = tuple(pair for pair, counts in zip(found.pairs, counted, strict=True) if counts is not None)
    if not kept:
        raise ValueError(f"the masks of {root} must have the size of their images, got none that has")
    names = [pair.image.name for pair, counts in zip(found.pairs, counted, strict=True) if counts is None]
    left_out = LeftOut("images whose mask has another size", len(names), tuple(names[:3]))
    return FoundPairs(kept, (*found.left_out, left_out))


def _count_checked(pair: Pair, layout: Layout | None) -> Counts | None:
    """Returns the numbers of pixels per value; None if the mask has another size, which the layout allows."""
    mask, palette = _decode_mask(pair.mask)
    _, height, width = read_picture(pair, mask).shape
    if mask.shape != (height, width):
        if layout is not None and layout.varies_in_size:
            return None
        came = f"{mask.shape[1]} x {mask.shape[0]}"
        raise ValueError(f"{pair.mask} must be {width} x {height} pixels as its image is, got {came}")
    counts = np.bincount(mask.ravel(), minlength=256)
    if layout is not None:
        layout.check(pair.mask, counts, palette)
    return counts


def _check_values(split: SegmentationSplit, per_mask: Sequence[Counts], classes: Classes) -> None:
    for pair, counts in zip(split.pairs, per_mask, strict=True):
        if unknown := classes.unknown(counts):
            known = f"{min(classes.values)}..{max(classes.values)} of {len(classes)} classes and {classes.unlabelled}"
            raise ValueError(f"{pair.mask} must hold the values {known} (unlabelled), got {unknown[0]}")
    if not classes.count(split.counts).any():
        raise ValueError(f"the masks of {split.pairs[0].mask.parent} must hold pixels of the classes, got none")


def _describe(root: Path, found: dict[str, FoundPairs], classes: Classes) -> DataReport:
    names = {"train": "training images", "val": "validation images"}
    used = {names[name]: len(each.pairs) for name, each in found.items()} | {"classes": len(classes)}
    left_out = join_left_out(("", each.left_out) for each in found.values())
    notices = [notice for each in found.values() for notice in _notices(each.pairs)]
    images = {name: _digests(root, [pair.image for pair in each.pairs]) for name, each in found.items()}
    masks = {name: _digests(root, [pair.mask for pair in each.pairs]) for name, each in found.items()}
    notices += copies_in_training(images["train"], images["val"], "validation images")
    files = {name: digest for part in (images, masks) for each in part.values() for name, digest in each.items()}
    return DataReport(used, left_out, tuple(notices), identify_files(files))


def _notices(pairs: Sequence[Pair]) -> Iterator[str]:
    yield from picture_notices([pair.image for pair in pairs])
    stored = [pair.image.name for pair in pairs if _is_masked_as_stored(pair)]
    if stored:
        yield (
            f"the masks of {len(stored):,} pictures have the size of the picture as it is stored, not as it is "
            f"displayed, which is read so ({shorten(stored)})"
        )


def _is_masked_as_stored(pair: Pair) -> bool:
    with Image.open(pair.mask) as mask:
        return read_size(pair.image, mask.size)[1]


def _digests(root: Path, paths: Sequence[Path]) -> dict[str, FileDigest]:
    """Returns the digests of files by path relative to the root; OSError if one cannot be read."""
    place = Path(os.path.commonpath([path.parent for path in paths]))
    found = digest_files(place, [path.relative_to(place).as_posix() for path in paths])
    return {(place / name).relative_to(root).as_posix(): each for name, each in found.items()}
