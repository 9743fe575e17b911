"""`nas divergence`: in which layers of a network appearance and content are encoded (IBN-Net, 1807.09441, figure 1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.architectures.trained import TrainedNetwork, find_trained, load_test_images
from experiments.config.parsing.unknown_names import unknown_name
from experiments.robustness.figure import draw_divergence
from experiments.robustness.results import Divergence, LayerDivergence, NetworkDivergence
from nas.data.data_set import Split
from nas.files.atomic_write import write_text
from nas.files.storage import make_folder
from nas.shifts.divergence import appearance_divergence, content_divergence, layer_means
from nas.shifts.style import read_palettes
from nas.shifts.table import check_shifts, shift_split


@dataclass(frozen=True, slots=True)
class DivergenceOptions:
    """Options of the command line, see `experiments.robustness.run.RobustnessOptions`.

    Attributes:
        severity: 1 to 5.
        classes: names of two classes; empty for the mean over all pairs.
    """

    shift: str
    data: str | None = None
    severity: int = 3
    classes: tuple[str, ...] = ()
    seed: int = 0
    most: int | None = None
    pictures: Path | None = None


def run_divergence(names: Sequence[str], out: Path, options: DivergenceOptions) -> Divergence:
    """Measures networks, given as files of weights, runs or RUN@k, on the same images.

    Writes ``divergence.json``, ``divergence.png`` and ``divergence.svg`` to the folder `out`, made if missing.

    Raises:
        ValueError: if a network, the images, the shift or a class is not valid.
        OSError: if a file cannot be read or written.
    """
    check_shifts([options.shift])
    networks = [find_trained(name) for name in names]
    split, images = load_test_images(networks, options.data, most=options.most)
    result = replace(measure_divergence(networks, split, options), images=images)
    make_folder(out)
    text = json.dumps(result.to_json(), indent=2, allow_nan=False)
    write_text(out / "divergence.json", text + "\n")
    draw_divergence(result, out)
    return result


def measure_divergence(networks: Sequence[TrainedNetwork], split: Split, options: DivergenceOptions) -> Divergence:
    """Measures both divergences of each layer; raises ValueError for an unsuitable shift or an unknown class."""
    classes = _class_numbers(networks[0].checkpoint.class_names, options.classes)
    num_channels = split.images.shape[1]
    palettes = read_palettes(options.pictures, num_channels=num_channels) if options.shift == "style" else None
    shifted = shift_split(split, options.shift, severity=options.severity, seed=options.seed, palettes=palettes)
    described = []
    for network in networks:
        own = network.checkpoint
        clean, other = (layer_means(own.network, each.images, mean=own.mean, std=own.std) for each in (split, shifted))
        appearance = appearance_divergence(clean, other)
        content = content_divergence(clean, split.labels, classes=classes)
        layers = tuple(LayerDivergence(name, appearance[name], content[name]) for name in clean)
        described.append(NetworkDivergence(network.name, layers))
    named = " and ".join(options.classes) or "two classes, mean over all pairs"
    return Divergence(len(split), f"{options.shift} {options.severity}", named, tuple(described))


def _class_numbers(known: tuple[str, ...], names: tuple[str, ...]) -> tuple[int, int] | None:
    if not names:
        return None
    for name in names:
        if name not in known:
            raise unknown_name("class", name, known)
    if len(set(names)) != 2 or len(names) != 2:
        raise ValueError(f"classes must be two different ones, got {', '.join(names)}")
    return known.index(names[0]), known.index(names[1])
