"""Images and targets of detectors as tensors, mirrored at random in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.data.data_set import Images
from nas.data.image_decoding import decode_image
from nas.downstream.detection.annotations import AnnotatedImage, Annotation, Annotations
from nas.downstream.detection.keypoints import keypoint_targets, mirror_keypoints
from nas.downstream.detection.masks import decode_mask
from nas.downstream.training import Draw


class ImageStore:
    """Decodes images and caches up to `cache_mib` MiB of them; images beyond it are decoded every time."""

    def __init__(self, cache_mib: int) -> None:
        self._room = cache_mib * 2**20
        self._kept: dict[Path, Images] = {}  # by path, since two splits may have the same ids

    def image(self, image: AnnotatedImage) -> Tensor:
        """Returns an image (3, height, width) with values from 0 to 1."""
        pixels = self._kept.get(image.path)
        if pixels is None:
            pixels = decode_image(image.path, None, annotated=(image.width, image.height))
            if pixels.nbytes <= self._room:
                self._room -= pixels.nbytes
                self._kept[image.path] = pixels
        return torch.from_numpy(pixels).float() / 255


class TrainingImages:
    """Training images of a detector, mirrored at random with `flip`; see `nas.downstream.training.DenseImages`."""

    def __init__(
        self, annotations: Annotations, store: ImageStore, *, flip: bool, masks: bool, keypoints: bool = False
    ) -> None:
        self._annotations = annotations
        self._labels = annotations.labels
        self._store = store
        self._flip = flip
        self._masks = masks
        self._keypoints = keypoints

    def __len__(self) -> int:
        return len(self._annotations.images)

    def batch(self, draws: Sequence[Draw], device: torch.device) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Returns images (3, height, width), and boxes (x1, y1, x2, y2), labels, masks and keypoints of objects."""
        pairs = [self._draw(draw) for draw in draws]
        return (
            [image.to(device) for image, _ in pairs],
            [{name: value.to(device) for name, value in target.items()} for _, target in pairs],
        )

    def _draw(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        image = self._annotations.images[draw.index]
        pixels, target = self._store.image(image), self._target(image)
        generator = torch.Generator().manual_seed(draw.seed)
        if self._flip and torch.rand((), generator=generator) < 0.5:
            return mirror(pixels, target)
        return pixels, target

    def _target(self, image: AnnotatedImage) -> dict[str, Tensor]:
        objects = [
            each for each in self._annotations.objects.get(image.id, ()) if not each.is_crowd and each.is_trained
        ]
        boxes = torch.tensor([corners(each, image) for each in objects], dtype=torch.float32).reshape(-1, 4)
        target = {"boxes": boxes, "labels": torch.tensor([self._labels[each.category] for each in objects]).long()}
        if self._masks:
            shape = (image.height, image.width)
            masks: list[Any] = [decode_mask(each.mask or b"", *shape) for each in objects]
            target["masks"] = torch.from_numpy(np.stack(masks) if masks else np.zeros((0, *shape), np.uint8))
        if self._keypoints:
            target["keypoints"] = keypoint_targets(objects)
        return target


def corners(annotation: Annotation, image: AnnotatedImage) -> tuple[float, float, float, float]:
    """Returns the corners x1, y1, x2, y2 of an object's box, clipped to its image."""
    x, y, width, height = annotation.box
    return max(x, 0.0), max(y, 0.0), min(x + width, float(image.width)), min(y + height, float(image.height))


def mirror(image: Tensor, target: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Mirrors an image (3, H, W), its boxes, masks and keypoints left to right."""
    width = image.size(-1)
    mirrored = {**target, "boxes": target["boxes"][:, [2, 1, 0, 3]]}
    mirrored["boxes"][:, [0, 2]] = width - mirrored["boxes"][:, [0, 2]]
    if "masks" in target:
        mirrored["masks"] = target["masks"].flip(-1)
    if "keypoints" in target:
        mirrored["keypoints"] = mirror_keypoints(target["keypoints"], width)
    return image.flip(-1), mirrored
