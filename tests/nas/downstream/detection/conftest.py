from __future__ import annotations

import json

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.detection.keypoints import KEYPOINTS
from nas.downstream.detection.settings import DetectionData, DetectorSettings
from nas.downstream.detection.training import DetectionPlan
from nas.downstream.recipe import DenseRecipe
from nas.fidelity import NetworkSpec

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))


@pytest.fixture
def plan(coco_folder) -> DetectionPlan:
    """A detector of a few thousand weights on strides 1, 2 and 4, trained for six iterations."""
    return DetectionPlan(
        Architecture(CELL, CELL),
        NetworkSpec(num_filters=4, num_repeats=1, num_stages=3, image_size=32),
        DetectorSettings(
            norm="gn",
            channels=8,
            features=16,
            min_stride=2,
            train_proposals=40,
            test_proposals=20,
            rpn_batch=32,
            roi_batch=16,
            min_score=0.0,
            max_detections=10,
        ),
        DenseRecipe(
            iterations=6,
            batch_size=2,
            learning_rate=0.01,
            reference_batch=0,
            cuts=(2,),
            warmup_iterations=1,
            scales=(40, 48),
            max_side=72,
            record_iterations=2,
            checkpoint_iterations=2,
            evaluation_iterations=4,
            device="cpu",
        ),
        DetectionData(root=str(coco_folder)),
        seed=3,
    )


@pytest.fixture
def keypoint_folder(coco_folder):
    """The squares as persons: eyes at the upper corners, ankles at the lower ones, a nose between."""
    for split in ("train", "val"):
        path = coco_folder / "annotations" / f"instances_{split}.json"
        value = json.loads(path.read_text())
        value["categories"] = [{"id": 1, "name": "person", "keypoints": list(KEYPOINTS), "skeleton": []}]
        for each in value["annotations"]:
            x, y, width, height = each["bbox"]
            corners = {"left_eye": (x + width, y), "right_eye": (x, y), "nose": (x + width / 2, y + 1)}
            corners |= {"left_ankle": (x + width, y + height), "right_ankle": (x, y + height)}
            points = [[*corners[name], 2] if name in corners else [0, 0, 0] for name in KEYPOINTS]
            each |= {
                "category_id": 1,
                "keypoints": [number for point in points for number in point],
                "num_keypoints": len(corners),
            }
        (path.parent / f"person_keypoints_{split}.json").write_text(json.dumps(value))
    return coco_folder
