"""Evaluation of a trained detector in several views of each image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.downstream.detection.checkpoint import load_detector
from nas.downstream.detection.data import DetectionSet
from nas.downstream.detection.evaluation import evaluate_detector
from nas.downstream.detection.images import ImageStore
from nas.downstream.detection.training import DETECTOR_FILE, DetectionPlan
from nas.downstream.detection.views import Views
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object
from nas.training.device import choose_device, num_threads

VIEWS_FILE = "views.json"


def stored_views(folder: Path, views: Views) -> Mapping[str, Any] | None:
    """Returns the scores in these views, if the folder has them."""
    path = folder / VIEWS_FILE
    stored = read_json_object(path) if path.is_file() else {}
    return stored if stored.get("views") == views.to_json() else None


def measure_views(folder: Path, plan: DetectionPlan, data: DetectionSet, views: Views) -> Mapping[str, Any]:
    """Evaluates the detector of a folder in several views of each image, and writes the scores to ``views.json``."""
    network, _ = load_detector(folder / DETECTOR_FILE)
    with num_threads(plan.recipe.num_threads):
        scores = evaluate_detector(
            network.to(choose_device(plan.recipe)),
            data.evaluation,
            ImageStore(0),
            plan.recipe,
            masks=plan.detector.masks,
            views=views,
        )
    value = {"views": views.to_json(), **scores}
    write_text(folder / VIEWS_FILE, json.dumps(value, indent=2, allow_nan=False) + "\n")
    return value
