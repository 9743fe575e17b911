"""Counts the norms of searched cells by stage, to compare them with IBN-Net, which has them in shallow layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.normalization import NORMALIZATIONS
from nas.models.stack import cell_places
from nas.records import Record
from nas.rewards import Reward
from nas.trial import Success

NUM_BEST = 10
_REPLACEMENT = "bn"


@dataclass(frozen=True, slots=True)
class StageNorms:
    """Shares of the blocks with each norm in one stage, from 1 next to the image, among all and the ten best."""

    stage: int
    all: Mapping[str, float]
    best: Mapping[str, float]


def norm_usage(records: Iterable[Record], reward: Reward) -> tuple[StageNorms, ...]:
    """Computes the share of blocks with each norm in each stage; empty if all blocks have the same norm.

    A norm that removes appearance counts only in the stages that use it; deeper ones have batch norm in its place (see
    `nas.architecture.Architecture.appearance_stages`). Each architecture counts once; failures and architectures
    without cells are ignored.
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
        return ()
    usage, best = _count(best_first), _count(best_first[:NUM_BEST])
    return tuple(StageNorms(stage + 1, _shares(usage[stage]), _shares(best[stage])) for stage in sorted(usage))


def _count(architectures: Sequence[tuple[Architecture, NetworkSpec]]) -> dict[int, Counter[str]]:
    """Blocks with each norm, by stage."""
    counts: dict[int, Counter[str]] = {}
    for architecture, spec in architectures:
        deep = spec.num_stages if architecture.appearance_stages is None else architecture.appearance_stages
        for place in cell_places(spec):
            cell = architecture.reduction if place.reduction else architecture.normal
            replaced = {name for name, norm in NORMALIZATIONS.items() if norm.appearance and place.stage >= deep}
            norms = (_REPLACEMENT if block.norm in replaced else block.norm for block in cell.blocks)
            counts.setdefault(place.stage, Counter()).update(norms)
    return counts


def _shares(counter: Counter[str]) -> dict[str, float]:
    total = sum(counter.values())
    return {norm: counter[norm] / total for norm in NORMALIZATIONS if counter[norm]}
