"""Domains in which a segmenter is evaluated: validation images, shifts of appearance, images of another folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from experiments.config.dense_config import SegmentationTest
from nas.downstream.segmentation.classes import Counts
from nas.downstream.segmentation.data import SegmentationFolder, SegmentationSplit, identify_test_split, read_test_split
from nas.downstream.segmentation.evaluation import Look, evaluate
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.training import SegmentationPlan
from nas.downstream.segmentation.views import SINGLE, Views
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object
from nas.shifts.table import SHIFTS

DOMAINS_FILE = "domains.json"
TRAINING, VALIDATION = "training", "validation"


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Images with masks under a unique name.

    Attributes:
        counts: Numbers of pixels by class.
        look: The shift of the images, if any.
        fingerprint: Identifies the images; None if unknown.
        views: Of each image, whose predictions are averaged.
    """

    name: str
    pictures: SegmentationImages
    counts: Counts
    look: Look | None = None
    fingerprint: str | None = None
    views: Views = SINGLE


def find_domains(plan: SegmentationPlan, folder: SegmentationFolder, test: SegmentationTest) -> list[Domain]:
    """Returns the domains, validation images first; raises ValueError if classes of another folder do not match."""
    splits: dict[str, SegmentationSplit] = {VALIDATION: folder.validation}
    own = None if folder.report is None else folder.report.identity.fingerprint
    other = None
    if test.training:
        splits[TRAINING] = folder.train
    if test.root is not None:
        split = read_test_split(Path(test.root), plan.data, folder.classes)
        splits[f"val of {Path(test.root).name}"] = split
        other = identify_test_split(Path(test.root), split).fingerprint
    domains = [
        Domain(
            name,
            plan.split(folder, split),
            (split.classes or folder.classes).count(split.counts),
            fingerprint=own if name in {VALIDATION, TRAINING} else other,
            views=test.views,
        )
        for name, split in splits.items()
    ]
    home = domains[0]
    looks = [Look(name, test.severity, test.seed) for name in (SHIFTS if test.shifts is None else test.shifts)]
    return domains + [replace(home, name=look.shift, look=look) for look in looks]


def measure_domains(
    out: Path,
    load: Callable[[], nn.Module],
    domains: Sequence[Domain],
    train: Counts,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Evaluates a segmenter in the domains that are missing in ``domains.json``, and adds each to the file.

    Args:
        out: The folder of the training.
        load: Returns the trained network in evaluation mode; not called if no domain is missing.
        domains: The domains.
        train: Number of pixels by class in training.
        progress: Called with the name of each domain before its evaluation.

    Returns:
        The scores by name of the domain.
    """
    path = out / DOMAINS_FILE
    known = _read(path)
    network: nn.Module | None = None
    for domain in domains:
        if _is_known(known.get(domain.name), domain):
            continue
        progress(domain.name)
        network = network or load()
        scores = evaluate(network, domain.pictures, train, domain.counts, look=domain.look, views=domain.views)
        known[domain.name] = {
            **scores,
            **({} if domain.views.is_single else {"views": domain.views.to_json()}),
            "look": _describe(domain.look),
            "fingerprint": domain.fingerprint,
        }
        write_text(path, json.dumps(known, indent=2, allow_nan=False) + "\n")
    return {domain.name: known[domain.name] for domain in domains}


def _is_known(value: Any, domain: Domain) -> bool:  # noqa: ANN401 - plain data
    """Whether a result is of the same images, views and shift; version 0.1.0 stored the numbers of pixels only."""
    if value is None or value.get("fingerprint", domain.fingerprint) != domain.fingerprint:
        return False
    if value.get("views") != domain.views.to_json():
        return False
    return bool(value["look"] == _describe(domain.look) and value["pixels"] == domain.counts.tolist())


def _describe(look: Look | None) -> dict[str, Any] | None:
    return None if look is None else {"shift": look.shift, "severity": look.severity, "seed": look.seed}


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path) if path.exists() else {}
    except ValueError as error:
        raise ValueError(f"{error}; delete it to evaluate its domains again") from None
