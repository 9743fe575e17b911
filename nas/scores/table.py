"""The table of scores that need no training, and the computation of several of them for one network."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn

from nas.fidelity import NetworkSpec
from nas.models.build import AnyNetwork, build
from nas.models.complexity import Complexity, measure
from nas.models.reference.descriptions import Buildable
from nas.scores.activations import jacobian_covariance, naswot
from nas.scores.saliency import grad_norm, snip, synflow
from nas.scores.zen import zen

Score: TypeAlias = Callable[[nn.Module, Tensor, Tensor], float]
"""Scores a network in training mode, which it may change, on images (N, C, H, W) with labels (N,). Higher is better."""

SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "naswot": naswot,
        "synflow": synflow,
        "jacobian_covariance": jacobian_covariance,
        "grad_norm": grad_norm,
        "snip": snip,
        "zen": zen,
    }
)
"""Scores of a network with initial weights, by name."""

SIZES: Mapping[str, Callable[[Complexity], int]] = MappingProxyType(
    {
        "num_parameters": lambda cost: cost.num_parameters,
        "num_multiply_adds": lambda cost: cost.num_multiply_adds,
    }
)
"""Scores that follow from the size of a network, by name."""

ALL_SCORES = (*SCORES, *SIZES)


class UnscorableError(ValueError):
    """Raised if a score of a network is not finite, such as that of one whose output does not depend on its input."""


def check_scores(names: Collection[str]) -> None:
    """Raises ValueError if there is no score of a name, or none is named."""
    if not names or len(set(names)) != len(tuple(names)):
        raise ValueError(f"scores must be one or more, each once, got {', '.join(names) or 'none'}")
    if unknown := [name for name in names if name not in ALL_SCORES]:
        raise ValueError(f"a score must be one of {', '.join(ALL_SCORES)}, got {unknown[0]:.100}")


def score_network(
    architecture: Buildable, spec: NetworkSpec, names: Collection[str], *, images: Tensor, labels: Tensor, seed: int
) -> dict[str, float]:
    """Computes scores of one network; each score builds it anew with the initial weights of the seed.

    The auxiliary head, drop path and dropout, which serve training, are left out. torch's global generator is restored.

    Args:
        architecture: any description of a network.
        spec: the network around it.
        names: keys of `SCORES` or `SIZES`.
        images: a normalized batch (N, C, H, W) on the CPU or a GPU.
        labels: its class numbers (N,).
        seed: of the initial weights, and of the random numbers of a score.

    Raises:
        ValueError: if a name is unknown, or the network cannot be built.
        UnscorableError: if a score is not finite.
    """
    check_scores(names)
    spec = replace(spec, auxiliary=False, drop_path=0.0, dropout=0.0)
    scores = {}
    cost = measure(architecture, spec) if any(name in SIZES for name in names) else None
    for name in names:
        if cost is not None and name in SIZES:
            scores[name] = float(SIZES[name](cost))
            continue
        with torch.random.fork_rng([images.device] if images.is_cuda else []):
            torch.manual_seed(seed)
            scores[name] = SCORES[name](_on_device(build(architecture, spec), images), images, labels)
    if wrong := [name for name, score in scores.items() if not math.isfinite(score)]:
        raise UnscorableError(f"the score {wrong[0]} of this network must be finite, got {scores[wrong[0]]}")
    return scores


def _on_device(network: AnyNetwork, images: Tensor) -> nn.Module:
    return network.to(images.device).train()
