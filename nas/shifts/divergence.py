"""Divergence between the features of two sets of images, per layer (IBN-Net, 1807.09441, section 3.1).

For each channel of a layer, the spatial means of the images of a set are treated as samples of a normal distribution.
The divergence of two sets is the symmetric Kullback-Leibler divergence of these distributions, averaged over channels.
Between images and their appearance-shifted copies it measures sensitivity to appearance, between two classes that to
content. Features are taken after ReLU, as the next layer reads them: directly after instance normalization, all spatial
means are equal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.data.data_set import Images, Labels
from nas.models.build import AnyNetwork
from nas.models.layers import Rectified
from nas.models.network import Network
from nas.models.reference.wrapped import WrappedNetwork
from nas.models.resnet import ResidualNetwork
from nas.models.states import HiddenState
from nas.shifts.measure import batch_logits

FloatArray = npt.NDArray[np.float64]

_FLOOR = 1e-6
"""Added to every variance, since e.g. spatial means after instance normalization have none."""


def layer_means(
    network: AnyNetwork, images: Images, *, mean: Sequence[float], std: Sequence[float]
) -> dict[str, FloatArray]:
    """Computes the spatial means after ReLU of every channel of every layer: stem, then cells or residual blocks.

    Args: see `nas.shifts.measure.batch_logits`.

    Returns:
        For each layer, by depth, an array of shape (N, channels).
    """
    collected: dict[str, list[Tensor]] = {}

    def watch(name: str, layer: nn.Module) -> Any:  # noqa: ANN401 - torch's handle
        def collect(_module: nn.Module, _inputs: Any, output: Tensor | HiddenState) -> None:  # noqa: ANN401
            state = output.view(Rectified()) if isinstance(output, HiddenState) else torch.relu(output)
            collected.setdefault(name, []).append(state.float().mean((2, 3)))

        return layer.register_forward_hook(collect)

    with ExitStack() as hooks:
        for name, layer in _layers(network).items():
            hooks.enter_context(watch(name, layer))
        deque(batch_logits(network, images, mean=mean, std=std), maxlen=0)
    return {name: torch.cat(parts).double().cpu().numpy() for name, parts in collected.items()}


def symmetric_divergence(first: FloatArray, second: FloatArray) -> float:
    """Computes KL(first || second) + KL(second || first) of normal distributions, averaged over channels.

    The samples are of shape (images, channels): at least two images in each set, and equally many channels.
    """
    if min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        came = f"{first.shape} and {second.shape}"
        raise ValueError(f"each set must have at least 2 images, and equally many channels, got {came}")
    variances = [values.var(axis=0) + _FLOOR for values in (first, second)]
    squared = (first.mean(axis=0) - second.mean(axis=0)) ** 2
    # the logarithms of both directions cancel
    both = (variances[0] + squared) / variances[1] + (variances[1] + squared) / variances[0]
    return float((both / 2 - 1).mean())


def appearance_divergence(clean: Mapping[str, FloatArray], shifted: Mapping[str, FloatArray]) -> dict[str, float]:
    """Computes the divergence of each layer between images and their appearance-shifted copies."""
    return {name: symmetric_divergence(values, shifted[name]) for name, values in clean.items()}


def content_divergence(
    clean: Mapping[str, FloatArray], labels: Labels, *, classes: tuple[int, int] | None = None
) -> dict[str, float]:
    """Computes the divergence of each layer between two classes.

    Args:
        clean: spatial means of each layer.
        labels: labels of the images.
        classes: the two classes, with at least two images each; None averages over all pairs of such classes.
    """
    numbers, counts = np.unique(labels, return_counts=True)
    enough = [int(number) for number, count in zip(numbers, counts, strict=True) if count > 1]
    pairs = list(combinations(enough, 2)) if classes is None else [classes]
    if not pairs or not {*pairs[0]} <= {*enough}:
        came = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        got = len(enough) if classes is None else " and ".join(str(came.get(number, 0)) for number in classes)
        what = "2 classes with at least 2 images each" if classes is None else "at least 2 images of each class"
        raise ValueError(f"there must be {what}, got {got}")
    return {
        name: float(np.mean([symmetric_divergence(values[labels == a], values[labels == b]) for a, b in pairs]))
        for name, values in clean.items()
    }


def _layers(network: AnyNetwork) -> dict[str, nn.Module]:
    if isinstance(network, WrappedNetwork):
        return {unit.name: network.network.get_submodule(unit.name) for unit in network.units()}
    if not isinstance(network, Network):
        blocks = {
            f"stage {stage} block {number}": block
            for stage, blocks in enumerate(network.stages, start=1)
            for number, block in enumerate(blocks.children(), start=1)
        }
        return {"stem": network.maxpool if isinstance(network, ResidualNetwork) else network.stem, **blocks}
    cells = {
        f"cell {number} ({'reduction' if place.reduction else 'normal'})": cell
        for number, (cell, place) in enumerate(zip(network.cells, network.places, strict=True), start=1)
    }
    return {"stem": network.stem, **cells}
