"""`nas score`: scores that need no training, of one or several architectures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Column, Table

from experiments.architectures.find import NetworkOptions, find_architecture, network_spec
from nas.data.load import load_data
from nas.fidelity import DataSpec, NetworkSpec
from nas.scores.table import ALL_SCORES, UnscorableError, check_scores, score_network
from nas.training.augmentation import ImageSource

MAX_IMAGES = 10_000


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """Which scores are computed, and on which images.

    Attributes:
        scores: names of scores.
        data: folder of images, ``train/<class>/`` and ``test/<class>/``; None draws noise.
        batch_size: number of images.
        seed: of the initial weights, and of the draw of the images.
    """

    scores: tuple[str, ...] = ALL_SCORES
    data: Path | None = None
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        check_scores(self.scores)
        if not 2 <= self.batch_size <= MAX_IMAGES or self.seed < 0:
            raise ValueError(
                f"scores need 2 to {MAX_IMAGES:,} images and a seed from 0, got {self.batch_size} and {self.seed}"
            )


@dataclass(frozen=True, slots=True)
class ArchitectureScores:
    """Scores of one architecture by name; None for one that this network does not have."""

    architecture: str
    fingerprint: str
    scores: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def score_architectures(
    names: Sequence[str], network: NetworkOptions, options: ScoreOptions
) -> list[ArchitectureScores]:
    """Scores architectures on the same images; raises ValueError if one is not found or cannot be built."""
    found = [find_architecture(name) for name in names]
    scored = []
    for source in found:
        spec = network_spec(source, network)
        images, labels = _images(spec, options)
        scores: dict[str, float | None] = {}
        for name in options.scores:
            try:
                scores |= score_network(
                    source.architecture, spec, [name], images=images, labels=labels, seed=options.seed
                )
            except UnscorableError:
                scores[name] = None
        scored.append(ArchitectureScores(source.name, source.architecture.fingerprint, scores))
    return scored


def print_scores(scored: Sequence[ArchitectureScores], console: Console) -> None:
    """Prints one line for each architecture."""
    table = Table("architecture", *(Column(name, justify="right") for name in scored[0].scores))
    for each in scored:
        table.add_row(each.architecture, *("-" if value is None else f"{value:,.6g}" for value in each.scores.values()))
    console.print(table)


def _images(spec: NetworkSpec, options: ScoreOptions) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of images of the network's size, with labels."""
    if options.data is None:
        generator = torch.Generator().manual_seed(options.seed)
        shape = options.batch_size, spec.in_channels, spec.image_size, spec.image_size
        labels = torch.randint(spec.num_classes, (options.batch_size,), generator=generator)
        return torch.randn(shape, generator=generator), labels
    data = load_data(DataSpec("image_folder", str(options.data), image_size=spec.image_size))
    if (came := (len(data.class_names), data.num_channels)) != (wanted := (spec.num_classes, spec.in_channels)):
        raise ValueError(f"classes and channels of the images must be {wanted}, as in the network, got {came}")
    number = min(options.batch_size, len(data.train))
    drawn = np.random.default_rng(options.seed).choice(len(data.train), number, replace=False)
    source = ImageSource(data.train.take(drawn), data, device=torch.device("cpu"))
    return source.batch(torch.arange(number)), source.labels
