"""The keypoints of persons in COCO's format (1703.06870, section 5): their names, reading, and mirroring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nas.downstream.detection.annotations import AnnotatedImage, Annotation

KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    "right_ankle",
)
"""COCO's 17 keypoints, for which its similarity of keypoints has constants."""
_SIDES = {"left": "right", "right": "left"}
_MIRRORED = [
    KEYPOINTS.index("_".join((_SIDES[side], rest)) if (side := name.partition("_")[0]) in _SIDES else name)
    for name, rest in ((name, name.partition("_")[2]) for name in KEYPOINTS)
]
_MAX_LENGTH = 65_535


def check_names(names: Sequence[str] | None) -> None:
    """Raises ValueError unless a category has COCO's keypoints."""
    if tuple(names or ()) != KEYPOINTS:
        came = "none" if not names else f"{len(names)}, the first {names[0]!r:.40}"
        raise ValueError(f"categories must list COCO's {len(KEYPOINTS)} keypoints for detector.keypoints, got {came}")


def read_keypoints(entry: Mapping[str, Any], image: AnnotatedImage) -> tuple[float, ...]:
    """Returns x, y and visibility (0 not labelled, 1 hidden, 2 visible) of each keypoint of an object.

    Raises:
        ValueError: if they are missing or not valid, or a labelled one is outside of the image by more than a pixel.
    """
    values = entry.get("keypoints")
    if not isinstance(values, list) or len(values) != 3 * len(KEYPOINTS):
        raise ValueError(f"its keypoints must be {3 * len(KEYPOINTS)} numbers, got {values!r:.60}")
    if any(type(value) not in (int, float) or not abs(value) <= _MAX_LENGTH for value in values):
        raise ValueError(f"its keypoints must be numbers up to {_MAX_LENGTH}, got {values!r:.60}")
    points = list(zip(values[0::3], values[1::3], values[2::3], strict=True))
    for x, y, visibility in points:
        if visibility not in {0, 1, 2}:
            raise ValueError(f"the visibility of a keypoint must be 0, 1 or 2, got {visibility}")
        if visibility and not (-1 <= x <= image.width + 1 and -1 <= y <= image.height + 1):
            raise ValueError(f"its keypoints must lie within {image.width} x {image.height} pixels, got {x:g}, {y:g}")
    return tuple(float(value) for value in values)


def num_labelled(annotation: Annotation) -> int:
    """Returns the number of labelled keypoints of an object."""
    return sum(visibility > 0 for visibility in annotation.keypoints[2::3])


def keypoint_targets(objects: Sequence[Annotation]) -> Tensor:
    """Returns the keypoints of objects, float32 (N, 17, 3)."""
    return torch.tensor([each.keypoints for each in objects], dtype=torch.float32).reshape(-1, len(KEYPOINTS), 3)


def mirror_keypoints(keypoints: Tensor, width: int) -> Tensor:
    """Mirrors keypoints (N, 17, 3) left to right, which exchanges left and right; unlabelled ones stay 0."""
    mirrored = keypoints[:, _MIRRORED].clone()
    mirrored[..., 0] = torch.where(mirrored[..., 2] > 0, width - mirrored[..., 0], mirrored[..., 0])
    return mirrored
