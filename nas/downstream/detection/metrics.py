"""Average precision of boxes and masks, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from nas.downstream.detection.annotations import Annotation, Annotations
from nas.downstream.detection.keypoints import KEYPOINTS, num_labelled
from nas.downstream.detection.masks import import_pycocotools

NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
KEYPOINT_NAMES = ("ap", "ap50", "ap75", "ap_medium", "ap_large")
"""Over ten thresholds of overlap, at 0.5, at 0.75, and for objects up to 32 x 32 pixels, up to 96 x 96, and larger."""


def average_precision(
    annotations: Annotations, found: Sequence[Mapping[str, Any]], kind: Literal["bbox", "segm", "keypoints"]
) -> dict[str, float | None]:
    """Computes COCO's average precision of boxes, masks or keypoints.

    Detections have COCO's results format, with ``bbox``, ``segmentation`` or ``keypoints`` as the kind says.
    Objects that are difficult in Pascal VOC are ignored as crowds are.

    Returns:
        A number from 0 to 1 for each of `NAMES`, or of `KEYPOINT_NAMES`; None where there are no true objects
        (pycocotools' -1).

    Raises:
        RuntimeError: if pycocotools is missing.
    """
    sizes = {image.id: [image.height, image.width] for image in annotations.images}
    truth = [_truth(each, sizes, kind) for some in annotations.objects.values() for each in some]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints tables
        coco = _index(truth, annotations)
        given = coco.loadRes([dict(each) for each in found]) if found else _index([], annotations)
        evaluation = import_pycocotools("cocoeval").COCOeval(coco, given, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = KEYPOINT_NAMES if kind == "keypoints" else NAMES
    numbers = [float(number) for number in evaluation.stats[: len(names)]]
    return {name: None if number == -1 else number for name, number in zip(names, numbers, strict=True)}


def _index(entries: list[dict[str, Any]], annotations: Annotations) -> Any:  # noqa: ANN401 - it has no types
    coco = import_pycocotools("coco").COCO()
    coco.dataset = {
        "images": [{"id": image.id, "width": image.width, "height": image.height} for image in annotations.images],
        "categories": [{"id": number, "name": name} for number, name in annotations.categories.items()],
        "annotations": entries,
    }
    coco.createIndex()
    return coco


def _truth(annotation: Annotation, sizes: Mapping[int, list[int]], kind: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": annotation.id,
        "image_id": annotation.image,
        "category_id": annotation.category,
        "bbox": list(annotation.box),
        "area": annotation.area,
        "iscrowd": int(annotation.is_ignored),
    }
    if kind == "bbox":
        return entry
    if kind == "keypoints":
        points = annotation.keypoints or (0.0,) * 3 * len(KEYPOINTS)  # of crowds
        return {**entry, "keypoints": list(points), "num_keypoints": num_labelled(annotation)}
    if annotation.mask is None:
        raise ValueError(f"annotation {annotation.id} must have a mask, got none")
    return {**entry, "segmentation": {"size": sizes[annotation.image], "counts": annotation.mask}}
