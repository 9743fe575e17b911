"""Where a trained segmenter is measured: at home, under shifts of appearance, and on the pictures of another folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from experiments.config.dense_config import SegmentationTest
from nas.downstream.segmentation.classes import Counts
from nas.downstream.segmentation.data import SegmentationFolder, SegmentationSplit, read_test_split
from nas.downstream.segmentation.evaluation import Look, evaluate
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.training import SegmentationPlan
from nas.files.atomic_write import write_text
from nas.files.strict_json import parse_json
from nas.shifts.table import SHIFTS

DOMAINS_FILE = "domains.json"
TRAINING, VALIDATION = "training", "validation"


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Pictures of one kind.

    Attributes:
        name: unlike that of any other.
        pictures: with their masks.
        counts: pixels by class.
        look: the shift that they undergo, if any.
    """

    name: str
    pictures: SegmentationImages
    counts: Counts
    look: Look | None = None


def find_domains(plan: SegmentationPlan, folder: SegmentationFolder, test: SegmentationTest) -> list[Domain]:
    """All domains that the settings ask for, the validation pictures first.

    Raises:
        ValueError: if there is another folder and it does not fit.
    """
    splits: dict[str, SegmentationSplit] = {VALIDATION: folder.validation}
    if test.training:
        splits[TRAINING] = folder.train
    if test.root is not None:
        splits[f"val of {Path(test.root).name}"] = read_test_split(Path(test.root), plan.data, folder.classes)
    domains = [
        Domain(name, plan.split(folder, split), folder.classes.count(split.counts)) for name, split in splits.items()
    ]
    home = domains[0]
    looks = [Look(name, test.severity, test.seed) for name in (SHIFTS if test.shifts is None else test.shifts)]
    return domains + [Domain(look.shift, home.pictures, home.counts, look) for look in looks]


def measure_domains(
    out: Path,
    load: Callable[[], nn.Module],
    domains: Sequence[Domain],
    train: Counts,
    *,
    said: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measures what was not measured yet, and keeps it in ``domains.json`` after each domain.

    Args:
        out: the folder of the training.
        load: gives the trained network in evaluation mode; not called if nothing is to be measured.
        domains: where.
        train: pixels by class, in training.
        said: told the name of each domain before it is measured.

    Returns:
        By name of the domain what `nas.downstream.segmentation.evaluation.evaluate` gives.

    Raises:
        ValueError: if the file is there and cannot be read.
    """
    path = out / DOMAINS_FILE
    known = _read(path)
    network: nn.Module | None = None
    for domain in domains:
        if _is_known(known.get(domain.name), domain):
            continue
        said(domain.name)
        network = network or load()
        scores = evaluate(network, domain.pictures, train, domain.counts, look=domain.look)
        known[domain.name] = {**scores, "look": _describe(domain.look)}
        write_text(path, json.dumps(known, indent=2, allow_nan=False) + "\n")
    return {domain.name: known[domain.name] for domain in domains}


def _is_known(value: Any, domain: Domain) -> bool:  # noqa: ANN401 - plain data
    """Whether the same pixels were measured under the same shift."""
    return value is not None and value["look"] == _describe(domain.look) and value["pixels"] == domain.counts.tolist()


def _describe(look: Look | None) -> dict[str, Any] | None:
    return None if look is None else {"shift": look.shift, "severity": look.severity, "seed": look.seed}


def _read(path: Path) -> dict[str, Any]:
    try:
        value = parse_json(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): remove it, and its domains are measured again") from None
    return dict(value)
