"""`nas divergence`: where in a network appearance and content lie (IBN-Net, 1807.09441, figure 1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.architectures.trained import TrainedNetwork, find_trained, load_test_images
from experiments.config.unknown_names import unknown_name
from experiments.robustness.figure import draw_divergence
from nas.data.data_set import Split
from nas.shifts.divergence import appearance_divergence, content_divergence, layer_means
from nas.shifts.style import Palettes, read_palettes
from nas.shifts.table import check_shifts, shift_split


@dataclass(frozen=True, slots=True)
class DivergenceOptions:
    """Options of the command line.

    Attributes:
        shift: name of the shift.
        data: a folder of images, or the name of a data set that needs none; None takes that of the run.
        severity: 1 to 5.
        classes: names of two classes; none takes the mean over all pairs.
        seed: of what the shift draws.
        most: so many test images at most; None takes all.
        pictures: a folder of reference pictures for the shift `style`; None takes the built-in ones.
    """

    shift: str
    data: str | None = None
    severity: int = 3
    classes: tuple[str, ...] = ()
    seed: int = 0
    most: int | None = None
    pictures: Path | None = None


def run_divergence(names: Sequence[str], out: Path, options: DivergenceOptions) -> dict[str, Any]:
    """Measures networks and writes ``divergence.json``, ``divergence.png`` and ``divergence.svg``.

    Args:
        names: files of weights, runs or RUN@k; all are measured on the same images.
        out: the folder; made if it is missing.
        options: see `DivergenceOptions`.

    Returns:
        What was measured, as plain data; see `measure_divergence`.

    Raises:
        ValueError: if a network, the images, the shift or a class is not usable.
        OSError: if a file cannot be read or written.
    """
    check_shifts([options.shift])
    networks = [find_trained(name) for name in names]
    split = load_test_images(networks, options.data, most=options.most)
    value = measure_divergence(networks, split, options)
    out.mkdir(parents=True, exist_ok=True)
    (out / "divergence.json").write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    draw_divergence(value, out)
    return value


def measure_divergence(networks: Sequence[TrainedNetwork], split: Split, options: DivergenceOptions) -> dict[str, Any]:
    """Measures both divergences of each layer.

    Returns:
        Plain data: `networks`, each with `layers` in order of depth: `name`, `appearance`, `content`.

    Raises:
        ValueError: if the images cannot undergo the shift, or there are no such classes.
    """
    classes = _class_numbers(networks[0].checkpoint.class_names, options.classes)
    palettes = _palettes(options, split)
    shifted = shift_split(split, options.shift, severity=options.severity, seed=options.seed, palettes=palettes)
    described = []
    for network in networks:
        mean, std = network.checkpoint.mean, network.checkpoint.std
        clean = layer_means(network.checkpoint.network, split.images, mean=mean, std=std)
        other = layer_means(network.checkpoint.network, shifted.images, mean=mean, std=std)
        appearance = appearance_divergence(clean, other)
        content = content_divergence(clean, split.labels, classes=classes)
        layers = [{"name": name, "appearance": appearance[name], "content": content[name]} for name in clean]
        described.append({"name": network.name, "layers": layers})
    return {
        "num_images": len(split),
        "shift": f"{options.shift} {options.severity}",
        "classes": " and ".join(options.classes) or "two classes, mean over all pairs",
        "networks": described,
    }


def _palettes(options: DivergenceOptions, split: Split) -> Palettes | None:
    return read_palettes(options.pictures, num_channels=split.images.shape[1]) if options.shift == "style" else None


def _class_numbers(known: tuple[str, ...], names: tuple[str, ...]) -> tuple[int, int] | None:
    if not names:
        return None
    for name in names:
        if name not in known:
            raise unknown_name("class", name, known)
    if len(set(names)) != 2 or len(names) != 2:
        raise ValueError(f"content lies between two different classes, got {', '.join(names)}")
    return known.index(names[0]), known.index(names[1])
