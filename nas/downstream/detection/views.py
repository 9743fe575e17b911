"""Detection in several views of an image: sizes, and mirrored or not (test-time augmentation)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.roi_heads import maskrcnn_inference, paste_masks_in_image
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import batched_nms


@dataclass(frozen=True, slots=True)
class Views:
    """Views of an image whose detections are joined.

    Attributes:
        scales: shorter sides in pixels.
        flip: whether each of them is mirrored too.
    """

    scales: tuple[int, ...]
    flip: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        return {"scales": [*self.scales], "flip": self.flip}


@dataclass(frozen=True, slots=True)
class _View:
    """An image as the network sees it: its maps, size, and the size of the original image."""

    features: dict[str, Tensor]
    size: tuple[int, int]
    original: tuple[int, int]
    mirrored: bool

    def to_image(self, boxes: Tensor) -> Tensor:
        """Converts boxes x1, y1, x2, y2 to the original image."""
        return resize_boxes(self._flipped(boxes), list(self.size), list(self.original))

    def from_image(self, boxes: Tensor) -> Tensor:
        """Converts boxes of the original image to this view."""
        return self._flipped(resize_boxes(boxes, list(self.original), list(self.size)))

    def _flipped(self, boxes: Tensor) -> Tensor:
        if not self.mirrored:
            return boxes
        left, top, right, bottom = boxes.unbind(1)
        return torch.stack([self.size[1] - right, top, self.size[1] - left, bottom], dim=1)


@torch.no_grad()
def detect_in_views(network: FasterRCNN, image: Tensor, views: Views) -> dict[str, Tensor]:
    """Detects objects in several views of an image (3, H, W) with values from 0 to 1.

    The boxes of all views are joined, and suppressed together as those of one view are. The masks of what is left are
    the mean of the probabilities in all views (1703.06870, appendix B, and Detectron's ``SOFT_AVG``). Views larger than
    the network's own size may exceed its largest side by as much.

    The network, without keypoints, is in evaluation mode.

    Returns:
        What torchvision's detectors return for one image: boxes, labels, scores and masks.
    """
    seen: list[_View] = []
    boxes: list[Tensor] = []
    scores: list[Tensor] = []
    labels: list[Tensor] = []
    for scale in views.scales:
        for mirrored in (False, True)[: 1 + views.flip]:
            view, found = _look(network, image, scale, mirrored=mirrored)
            seen.append(view)
            for every, one in zip((boxes, scores, labels), found, strict=True):
                every.append(one)
    heads: Any = network.roi_heads
    result = {"boxes": torch.cat(boxes), "labels": torch.cat(labels), "scores": torch.cat(scores)}
    kept = batched_nms(result["boxes"].float(), result["scores"].float(), result["labels"], heads.nms_thresh)
    result = {name: each[kept[: heads.detections_per_img]] for name, each in result.items()}
    if heads.has_mask():
        shape = (image.shape[1], image.shape[2])
        result["masks"] = paste_masks_in_image(_masks(network, seen, result), result["boxes"], shape)
    return result


def _look(
    network: FasterRCNN, image: Tensor, scale: int, *, mirrored: bool
) -> tuple[_View, tuple[Tensor, Tensor, Tensor]]:
    """Returns a view, and boxes in the original image, scores and labels."""
    transform: Any = copy.copy(network.transform)
    heads: Any = network.roi_heads
    transform.max_size = round(transform.max_size * max(1, scale / transform.min_size[-1]))
    transform.min_size = (scale,)
    images, _ = transform([image.flip(-1) if mirrored else image])
    features = network.backbone(images.tensors)
    proposals, _ = network.rpn(images, features)
    sizes = images.image_sizes
    logits, regression = heads.box_predictor(heads.box_head(heads.box_roi_pool(features, proposals, sizes)))
    (boxes,), (scores,), (labels,) = heads.postprocess_detections(logits, regression, proposals, sizes)
    view = _View(features, sizes[0], (image.shape[1], image.shape[2]), mirrored)
    return view, (view.to_image(boxes), scores, labels)


def _masks(network: FasterRCNN, seen: list[_View], found: dict[str, Tensor]) -> Tensor:
    """Returns the mean probabilities (N, 1, side, side) within the boxes."""
    heads: Any = network.roi_heads
    total = []
    for view in seen:
        pooled = heads.mask_roi_pool(view.features, [view.from_image(found["boxes"])], [view.size])
        (masks,) = maskrcnn_inference(heads.mask_predictor(heads.mask_head(pooled)), [found["labels"]])
        total.append(masks.flip(-1) if view.mirrored else masks)
    return torch.stack(total).float().mean(0)
