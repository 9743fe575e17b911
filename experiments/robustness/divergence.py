"""`nas divergence`: in which layers of a network appearance and content are encoded (IBN-Net, 1807.09441, figure 1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.architectures.trained import TrainedNetwork, find_trained, load_test_images
from experiments.config.unknown_names import unknown_name
from experiments.robustness.figure import draw_divergence
from experiments.robustness.results import Divergence, LayerDivergence, NetworkDivergence
from nas.data.data_set import Split
from nas.shifts.divergence import appearance_divergence, content_divergence, layer_means
from nas.shifts.style import Palettes, read_palettes
from nas.shifts.table import check_shifts, shift_split


@dataclass(frozen=True, slots=True)
class DivergenceOptions:
    """Options of the command line.

    Attributes:
        shift: name of the shift.
        data: a folder of images, or the name of a built-in data set; None for the data of the run.
        severity: 1 to 5.
        classes: names of two classes; empty for the mean over all pairs.
        seed: of the shift.
        most: maximum number of test images; None for all.
        pictures: a folder of reference images for the shift `style`; None for the built-in ones.
    """

    shift: str
    data: str | None = None
    severity: int = 3
    classes: tuple[str, ...] = ()
    seed: int = 0
    most: int | None = None
    pictures: Path | None = None


def run_divergence(names: Sequence[str], out: Path, options: DivergenceOptions) -> Divergence:
    """Measures networks and writes ``divergence.json``, ``divergence.png`` and ``divergence.svg``.

    Args:
        names: files of weights, runs or RUN@k; all are evaluated on the same images.
        out: the folder for the results; made if missing.
        options: see `DivergenceOptions`.

    Raises:
        ValueError: if a network, the images, the shift or a class is not valid.
        OSError: if a file cannot be read or written.
    """
    check_shifts([options.shift])
    networks = [find_trained(name) for name in names]
    split = load_test_images(networks, options.data, most=options.most)
    result = measure_divergence(networks, split, options)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.to_json(), indent=2, allow_nan=False)
    (out / "divergence.json").write_text(text + "\n", encoding="utf-8")
    draw_divergence(result, out)
    return result


def measure_divergence(networks: Sequence[TrainedNetwork], split: Split, options: DivergenceOptions) -> Divergence:
    """Measures both divergences of each layer.

    Raises:
        ValueError: if the shift does not suit the images, or a class is unknown.
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
        layers = tuple(LayerDivergence(name, appearance[name], content[name]) for name in clean)
        described.append(NetworkDivergence(network.name, layers))
    named = " and ".join(options.classes) or "two classes, mean over all pairs"
    return Divergence(len(split), f"{options.shift} {options.severity}", named, tuple(described))


def _palettes(options: DivergenceOptions, split: Split) -> Palettes | None:
    return read_palettes(options.pictures, num_channels=split.images.shape[1]) if options.shift == "style" else None


def _class_numbers(known: tuple[str, ...], names: tuple[str, ...]) -> tuple[int, int] | None:
    if not names:
        return None
    for name in names:
        if name not in known:
            raise unknown_name("class", name, known)
    if len(set(names)) != 2 or len(names) != 2:
        raise ValueError(f"classes must be two different ones, got {', '.join(names)}")
    return known.index(names[0]), known.index(names[1])
