"""Finds trained networks by the arguments of the commands, and loads images to evaluate them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.architectures.find import find_architecture
from experiments.config.parsing.sections import validate_section
from experiments.config.search_settings import ShiftSettings
from experiments.runs.run_folder import RunFolder
from nas.data.data_set import Split
from nas.data.load import DATA_SETS, load_data
from nas.export.model_source import WEIGHTS_FILE
from nas.fidelity import DataSpec
from nas.models.checkpoint import Checkpoint, load_checkpoint


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A trained network, named by an argument, with `data` and `shifts` of its run; none for a single file."""

    name: str
    checkpoint: Checkpoint
    data: DataSpec | None = None
    shifts: ShiftSettings = field(default_factory=ShiftSettings)


def find_trained(text: str) -> TrainedNetwork:
    """Loads a trained network, see `find_trained_file`, with the settings of its run."""
    path = find_trained_file(text)
    if Path(text).is_file():
        return TrainedNetwork(text, load_checkpoint(path))
    source = find_architecture(text)
    folder = path.parents[1] if path.parent.name == "weights" else path.parent  # weights of the best trials of a run
    stored = RunFolder(folder).stored_document() or {}
    shifts = validate_section("shifts", stored.get("shifts") or {}, ShiftSettings)
    data = None if source.fidelity is None else source.fidelity.data
    return TrainedNetwork(text, load_checkpoint(path), data, shifts)


def find_trained_file(text: str) -> Path:
    """Finds the file of weights: the file itself, or that of a run (its best trial), RUN@k, a training or an export.

    Raises ValueError if the text does not name a trained network; OSError if a file cannot be read.
    """
    if Path(text).is_file():
        return Path(text)
    if (exported := Path(text) / WEIGHTS_FILE).is_file():
        return exported
    source = find_architecture(text)
    if source.weights is None:
        raise ValueError(f"{text} has no trained weights; a run keeps those of its best trials (workers.keep_weights)")
    return source.weights


def load_test_images(
    networks: Sequence[TrainedNetwork], data: str | None, *, most: int | None = None
) -> tuple[Split, dict[str, Any] | None]:
    """Loads test images to evaluate several networks on, with what is used and left out of a folder.

    Args:
        networks: at least one; classes, channels and image size must be the same for all.
        data: a folder of images, or the name of a built-in data set; None for the data of the first network's run.
        most: maximum number of images, a fixed random subset; None for all.

    Raises:
        ValueError: if no images are named, they are missing, or they do not match the networks.
    """
    first = networks[0].checkpoint
    for other in networks[1:]:
        _check_same_images(networks[0], other)
    spec = replace(_data_spec(networks[0], data), image_size=first.network.spec.image_size)
    loaded = load_data(spec)
    if loaded.class_names != first.class_names:
        ours, theirs = ", ".join(first.class_names), ", ".join(loaded.class_names)
        raise ValueError(
            f"the classes of the images must be those of {networks[0].name}, {ours:.200}, got {theirs:.200}"
        )
    if loaded.num_channels != len(first.mean):
        raise ValueError(
            f"images must have {len(first.mean)} channels for {networks[0].name}, got {loaded.num_channels}"
        )
    split = loaded.load_test()
    if most is not None and most < 2:
        raise ValueError(f"there must be at least 2 images, got {most}")
    counts = None if split.report is None else split.report.counts
    if most is None or most >= len(split):
        return split, counts
    return split.take(np.sort(np.random.default_rng(0).permutation(len(split))[:most])), counts


def _data_spec(network: TrainedNetwork, data: str | None) -> DataSpec:
    if data is None:
        if network.data is None:
            raise ValueError(
                f"the images must be named with --data, a folder or digits, since {network.name} does not name them"
            )
        return network.data
    if data in DATA_SETS and not Path(data).is_dir():
        return DataSpec(name=data)
    if network.data is not None and network.data.name != "digits":
        return replace(network.data, root=data)
    return DataSpec(name="image_folder", root=data)


def _check_same_images(first: TrainedNetwork, other: TrainedNetwork) -> None:
    for what, ours, theirs in (
        ("classes", first.checkpoint.class_names, other.checkpoint.class_names),
        ("image size", first.checkpoint.network.spec.image_size, other.checkpoint.network.spec.image_size),
        ("channels", len(first.checkpoint.mean), len(other.checkpoint.mean)),
    ):
        if ours != theirs:
            raise ValueError(
                f"{first.name} and {other.name} must have the same {what}, got {ours!s:.100} and {theirs!s:.100}"
            )
