from __future__ import annotations

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
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
