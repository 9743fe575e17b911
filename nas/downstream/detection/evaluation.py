"""Inference and evaluation of detectors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from nas.downstream.detection.annotations import AnnotatedImage, Annotations
from nas.downstream.detection.images import ImageStore
from nas.downstream.detection.masks import encode_masks
from nas.downstream.detection.metrics import average_precision
from nas.downstream.detection.views import Views, detect_in_views
from nas.downstream.detection.voc_metrics import voc_average_precision
from nas.downstream.recipe import DenseRecipe
from nas.files.atomic_write import write_text
from nas.training.device import autocast, choose_device, choose_dtype
from nas.training.parallel import current_members, gather_texts

BOXES_FILE, MASKS_FILE, KEYPOINTS_FILE = "found_boxes.json", "found_masks.json", "found_keypoints.json"
_MASK_THRESHOLD = 0.5
_SHARED = ("image_id", "category_id", "score")


def evaluate_detector(  # noqa: PLR0913 - what is evaluated, and how
    network: nn.Module,
    annotations: Annotations,
    store: ImageStore,
    recipe: DenseRecipe,
    *,
    masks: bool,
    keypoints: bool = False,
    folder: Path | None = None,
    views: Views | None = None,
) -> dict[str, Any]:
    """Evaluates a detector; several workers share the images, and all get the same scores.

    The network is in evaluation mode and on the recipe's device. `folder`, if given, gets all detections in COCO's
    results format. `views` are joined for each image; None looks at it once, as it is in training.

    Returns:
        ``box``, and with masks ``mask``, with keypoints ``keypoints``, see `average_precision`; on Pascal VOC's images
        ``voc``, see `voc_average_precision`; ``num_pictures`` and ``num_found``.

    Raises:
        RuntimeError: if pycocotools is missing.
    """
    part = annotations.images[current_members().part]
    found = find_objects(network, part, store, recipe, categories=tuple(annotations.categories), views=views)
    everything = [each for text in gather_texts(json.dumps(found)) for each in json.loads(text)]
    everything.sort(key=lambda each: (each["image_id"], -each["score"]))
    boxes = [{key: each[key] for key in (*_SHARED, "bbox")} for each in everything]
    outlines = _masks(everything, annotations)
    points = [{key: each[key] for key in (*_SHARED, "keypoints")} for each in everything if "keypoints" in each]
    if folder is not None and current_members().rank == 0:
        write_text(folder / BOXES_FILE, json.dumps(boxes) + "\n")
        for name, found_there in ((MASKS_FILE, outlines), (KEYPOINTS_FILE, points)):
            if found_there:
                write_text(folder / name, json.dumps(found_there) + "\n")
    scores: dict[str, Any] = {"box": average_precision(annotations, boxes, "bbox")}
    if annotations.eleven_points is not None:
        scores["voc"] = voc_average_precision(annotations, boxes)
    if masks:
        scores["mask"] = average_precision(annotations, outlines, "segm")
    if keypoints:
        scores["keypoints"] = average_precision(annotations, points, "keypoints")
    return {**scores, "num_pictures": len(annotations.images), "num_found": len(everything)}


def _masks(found: Sequence[Mapping[str, Any]], annotations: Annotations) -> list[dict[str, Any]]:
    """Returns masks without their boxes, whose area pycocotools would use in place of the mask's."""
    sizes = {image.id: [image.height, image.width] for image in annotations.images}
    return [
        {key: each[key] for key in _SHARED}
        | {"segmentation": {"size": sizes[each["image_id"]], "counts": each["counts"]}}
        for each in found
        if "counts" in each
    ]


@torch.no_grad()
def find_objects(
    network: nn.Module,
    images: Sequence[AnnotatedImage],
    store: ImageStore,
    recipe: DenseRecipe,
    *,
    categories: Sequence[int],
    views: Views | None = None,
) -> list[dict[str, Any]]:
    """Detects objects one image at a time, so the results do not depend on the rest of a batch.

    The network is in evaluation mode and on the recipe's device; `categories` are ids by label, from 1.
    For `views` see `nas.downstream.detection.views.detect_in_views`.

    Returns:
        Detections: ``image_id``, ``category_id``, ``score``, ``bbox`` (x, y, width, height in pixels), with a mask
        ``counts``, compressed run lengths, and with keypoints ``keypoints``, x, y and 1 of each.
    """
    device = choose_device(recipe)
    dtype = choose_dtype(recipe, device)
    found: list[dict[str, Any]] = []
    for image in images:
        with autocast(device, dtype):
            pixels = store.image(image).to(device)
            if views is None:
                (given,) = network([pixels])
            else:
                given = detect_in_views(cast("FasterRCNN", network), pixels, views)
        found += _to_results(given, image, categories)
    return found


def _to_results(given: Mapping[str, Tensor], image: AnnotatedImage, categories: Sequence[int]) -> list[dict[str, Any]]:
    boxes = given["boxes"].float()
    rows = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    results: list[dict[str, Any]] = [
        {"image_id": image.id, "category_id": categories[label - 1], "score": score, "bbox": box}
        for box, label, score in zip(rows, given["labels"].tolist(), given["scores"].float().tolist(), strict=True)
    ]
    if "masks" in given:
        for result, counts in zip(results, encode_masks(given["masks"][:, 0] > _MASK_THRESHOLD), strict=True):
            result["counts"] = counts
    if "keypoints" in given:
        for result, points in zip(results, given["keypoints"].float().flatten(1).tolist(), strict=True):
            result["keypoints"] = points
    return results
