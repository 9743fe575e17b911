"""Average precision of boxes and masks, computed by pycocotools, COCO's own code."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from nas.downstream.detection.annotations import Annotation, Annotations
from nas.downstream.detection.masks import mask_area, run_lengths

NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
"""Over ten thresholds of overlap, at 0.5, at 0.75, and of objects up to 32 x 32 pixels, up to 96 x 96, and larger."""

Found = Mapping[str, Any]
"""A box that was found: ``image_id``, ``category_id``, ``score``, ``bbox`` (x, y, width, height), and ``counts``, the
compressed run lengths of its mask, if it has one."""


def average_precision(
    annotations: Annotations, found: Sequence[Found], kind: Literal["bbox", "segm"]
) -> dict[str, float | None]:
    """What COCO's evaluation says of boxes or masks.

    Args:
        annotations: what there is to be found.
        found: in pictures of the annotations.
        kind: whether boxes or masks are compared.

    Returns:
        By each of `NAMES` a number from 0 to 1; None where there is nothing of the kind to be found (pycocotools' -1).

    Raises:
        RuntimeError: if pycocotools is missing.
    """
    try:
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise RuntimeError("detection needs the package pycocotools: pip install 'nas-engine[detection]'") from None
    sizes = {picture.id: (picture.height, picture.width) for picture in annotations.pictures}
    truth = [_truth(each, sizes, kind) for some in annotations.objects.values() for each in some]
    given = [_given(number, each, sizes, kind) for number, each in enumerate(found, start=1)]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its tables
        evaluation = COCOeval(_index(truth, annotations), _index(given, annotations), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    numbers = [float(number) for number in evaluation.stats[: len(NAMES)]]
    return {name: None if number == -1 else number for name, number in zip(NAMES, numbers, strict=True)}


def _index(entries: list[dict[str, Any]], annotations: Annotations) -> Any:  # noqa: ANN401 - it has no types
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [
            {"id": picture.id, "width": picture.width, "height": picture.height} for picture in annotations.pictures
        ],
        "categories": [{"id": number, "name": name} for number, name in annotations.categories.items()],
        "annotations": entries,
    }
    coco.createIndex()
    return coco


def _truth(annotation: Annotation, sizes: Mapping[int, tuple[int, int]], kind: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": annotation.id,
        "image_id": annotation.picture,
        "category_id": annotation.category,
        "bbox": list(annotation.box),
        "area": annotation.area,
        "iscrowd": int(annotation.is_crowd),
    }
    if kind == "bbox":
        return entry
    if annotation.mask is None:
        raise ValueError(f"{annotation.id} has no mask, so that masks cannot be compared")
    return {**entry, "segmentation": run_lengths(annotation.mask, *sizes[annotation.picture])}


def _given(number: int, found: Found, sizes: Mapping[int, tuple[int, int]], kind: str) -> dict[str, Any]:
    """As pycocotools makes it of a file of results; the area of a mask is its own, not that of its box."""
    entry = {
        "id": number,
        "image_id": found["image_id"],
        "category_id": found["category_id"],
        "score": found["score"],
        "iscrowd": 0,
    }
    if kind == "bbox":
        return {**entry, "bbox": list(found["bbox"]), "area": found["bbox"][2] * found["bbox"][3]}
    mask = run_lengths(found["counts"].encode("ascii"), *sizes[found["image_id"]])
    return {**entry, "segmentation": mask, "area": mask_area(mask)}
