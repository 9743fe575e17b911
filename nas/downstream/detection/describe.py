"""Describes the images of a detector: which are used, what is left out of them, and their identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nas.data.file_digests import digest_files
from nas.data.identity import FileDigest, copies_in_training, identify_files, shorten
from nas.data.image_files import composed, find_images
from nas.data.picture_notices import picture_notices
from nas.data.report import DataReport, LeftOut, join_left_out
from nas.downstream.detection.annotated_objects import CLIPPED
from nas.downstream.detection.annotations import Annotations


def describe_data(
    root: Path, train: Annotations, evaluation: Annotations, *, num_available: int, num_measurable: int | None = None
) -> DataReport:
    """Describes the images of both splits, which may be the same; OSError if a file cannot be read.

    The numbers are of training and evaluation images before some were chosen.
    """
    splits = {"training": train} | ({} if evaluation.path == train.path else {"evaluation": evaluation})
    used = {
        f"{name} {what}": number
        for name, each in splits.items()
        for what, number in (("images", len(each.images)), ("objects", each.num_objects))
    }
    if num_unused := num_available - len(train.images):
        used["training images that num_train leaves out"] = num_unused
    if num_unused := max(0, (num_measurable or 0) - len(evaluation.images)):
        used["evaluation images that num_evaluated leaves out"] = num_unused
    left_out = join_left_out(
        pair
        for name, each in splits.items()
        for pair in ((f"{name}, ", each.left_out), (f"{each.folder.name}/", _unlisted(each)))
    )
    notices = [notice for each in splits.values() for notice in (*each.notices, *_notices(each))]
    notices += _untrained(train, evaluation)
    pictures = {name: _digests(each) for name, each in splits.items()}
    notices += copies_in_training(pictures["training"], pictures.get("evaluation", {}), "evaluation images")
    files: dict[str, FileDigest] = {}
    for name, each in splits.items():
        digest = each.path.stat().st_size, each.digest[:32]
        files |= {each.path.relative_to(root).as_posix(): digest, **pictures[name]}
    return DataReport(used, left_out, tuple(notices), identify_files(files))


def _digests(annotations: Annotations) -> dict[str, FileDigest]:
    folder = annotations.folder
    names = [image.path.relative_to(folder).as_posix() for image in annotations.images]
    return {f"{folder.name}/{name}": digest for name, digest in digest_files(folder, names).items()}


def _unlisted(annotations: Annotations) -> tuple[LeftOut, ...]:
    """Files of the folder that the annotations do not list, if it is one of images only."""
    if not annotations.listed:
        return ()
    found = find_images(annotations.folder)
    listed = {composed(name) for name in annotations.listed}
    names = [name for name in found.names if composed(name) not in listed]
    unlisted = [LeftOut("images that the annotations do not list", len(names), tuple(names[:3]))] if names else []
    return (*unlisted, *found.left_out)


def _notices(annotations: Annotations) -> Iterator[str]:
    yield from picture_notices([image.path for image in annotations.images])
    if empty := sum(not annotations.objects.get(image.id) for image in annotations.images):
        yield f"{empty:,} of {len(annotations.images):,} images of {annotations.path.name} have no object"
    yield from _suspicious(annotations)
    if hard := sum(each.is_difficult for some in annotations.objects.values() for each in some):
        yield f"{hard:,} difficult objects of {annotations.path.name} are neither trained on nor evaluated"


def _suspicious(annotations: Annotations) -> Iterator[str]:
    """Says what is valid but probably a mistake: names and objects that are there twice, and areas of 0."""
    names = Counter(annotations.categories.values())
    if twice := [name for name, number in names.items() if number > 1]:
        yield f"several categories of {annotations.path.name} are named {shorten(twice)} and told apart by their ids"
    every = [each for some in annotations.objects.values() for each in some]
    clipped = sum(each.number for each in annotations.left_out if each.reason == CLIPPED)
    if clipped > len(every) / 2:
        yield (
            f"most boxes of {annotations.path.name} exceed their image: boxes are x, y, width, height, not two corners"
        )
    if repeated := len(every) - len({(each.image, each.category, each.box) for each in every}):
        yield f"{repeated:,} objects of {annotations.path.name} repeat the box and category of another in their image"
    if empty := sum(each.area == 0 and each.is_trained for each in every):
        yield (
            f"{empty:,} objects of {annotations.path.name} have the area 0, by which scores by size take them for small"
        )


def _untrained(train: Annotations, evaluation: Annotations) -> Iterator[str]:
    """Says which categories cannot be learnt, and which are not evaluated."""
    trained, tested = (
        {each.category for some in split.objects.values() for each in some if each.is_trained and not each.is_ignored}
        for split in (train, evaluation)
    )
    names = train.categories
    if missing := [name for number, name in names.items() if number not in trained]:
        yield f"{len(missing)} of {len(names)} categories have no object to train on ({shorten(missing)})"
    if missing := [name for number, name in names.items() if number in trained and number not in tested]:
        yield f"{len(missing)} of {len(names)} categories have no object to evaluate on ({shorten(missing)})"
