"""Which norms found cells use, stage by stage: whether a search puts them where IBN-Net does, in shallow layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.normalization import NORMALIZATIONS
from nas.models.stack import cell_places
from nas.records import Record
from nas.rewards import Reward
from nas.trial import Success

NUM_BEST = 10
_IN_ITS_PLACE = "bn"


def norm_usage(records: Iterable[Record], reward: Reward) -> list[dict[str, Any]]:
    """The shares of blocks with each norm in each stage, among all architectures and among the ten best by reward.

    A norm that removes appearance counts only in the stages that use it; deeper ones have batch norm in its place (see
    `nas.architecture.Architecture.appearance_stages`). Each architecture counts once.

    Args:
        records: of runs with one space; failures, and what is not made of cells, are left out.
        reward: by which the best are found.

    Returns:
        Plain data, one entry a stage from the image on: ``stage`` from 1, ``all`` and ``best``, from norm to share.
        Nothing if all blocks of all architectures have one norm: there was nothing to choose.
    """
    ranked: dict[str, tuple[float, Architecture, NetworkSpec]] = {}
    for record in records:
        architecture, outcome = record.trial.architecture, record.outcome
        if isinstance(outcome, Success) and isinstance(architecture, Architecture):
            found = reward(outcome), architecture, record.trial.fidelity.network
            ranked.setdefault(record.fingerprint, found)
    best_first = [(each, spec) for _, each, spec in sorted(ranked.values(), key=lambda found: -found[0])]
    named = {block.norm for each, _ in best_first for cell in (each.normal, each.reduction) for block in cell.blocks}
    if len(named) < 2:
        return []
    usage, best = _count(best_first), _count(best_first[:NUM_BEST])
    return [{"stage": stage + 1, "all": _shares(usage[stage]), "best": _shares(best[stage])} for stage in sorted(usage)]


def _count(architectures: Sequence[tuple[Architecture, NetworkSpec]]) -> dict[int, Counter[str]]:
    """Blocks with each norm, by stage."""
    counts: dict[int, Counter[str]] = {}
    for architecture, spec in architectures:
        deep = spec.num_stages if architecture.appearance_stages is None else architecture.appearance_stages
        for place in cell_places(spec):
            cell = architecture.reduction if place.reduction else architecture.normal
            counter = counts.setdefault(place.stage, Counter())
            counter.update(_effective(block.norm, appearance=place.stage < deep) for block in cell.blocks)
    return counts


def _effective(norm: str, *, appearance: bool) -> str:
    return norm if appearance or not NORMALIZATIONS[norm].appearance else _IN_ITS_PLACE


def _shares(counter: Counter[str]) -> dict[str, float]:
    total = sum(counter.values())
    return {norm: counter[norm] / total for norm in NORMALIZATIONS if counter[norm]}
