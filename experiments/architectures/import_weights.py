"""`nas import-weights`: converts published weights and writes them like an export.

They are timm's NASNet-A and PNASNet-5, which become networks of cells, and those of any reference network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from experiments.architectures.draw import draw_architecture
from experiments.architectures.export import CELLS_FILE
from experiments.architectures.find import NetworkOptions, find_architecture, network_spec
from nas.data.data_set import DataSet, Split
from nas.export.folder import export_checkpoint
from nas.export.model_source import WEIGHTS_FILE
from nas.fidelity import NetworkSpec
from nas.files.guarded_read import read_text
from nas.models.build import build
from nas.models.checkpoint import save_checkpoint
from nas.models.imports.reference_weights import ReferenceModule, count_classes, load_reference, read_state_dict
from nas.models.imports.timm_cells import describe_timm, load_timm
from nas.models.network import build_network
from nas.models.reference.library import IMAGENET_MEAN, IMAGENET_STD, library_statistics
from nas.models.reference.names import LibraryForm, ReferenceNetwork
from search_spaces.published import PUBLISHED

TIMM_NAMES = ("nasnetalarge", "pnasnet5large")
_TIMM_STATISTICS = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # normalization of images in timm, for both networks


def import_weights(
    source: str, out: Path, *, accuracy: float | None, arch: str | None = None, classes: Path | None = None
) -> list[Path]:
    """Writes a folder like `nas export`, with converted weights; returns the files.

    Args:
        source: a file of weights, safetensors or torch's; or without `arch` one of `TIMM_NAMES`, which is downloaded.
        out: the folder; files of the same names are replaced.
        accuracy: published with the weights, between 0 and 1, and stored with them; None if unknown.
        arch: the reference network of the weights; None for timm's NASNet-A or PNASNet-5.
        classes: a text file with the name of a class in each line; by default their numbers.

    Raises:
        ValueError: if the source does not hold weights of this network.
        RuntimeError: if timm is needed and not installed.
    """
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise ValueError(f"the accuracy must be between 0 and 1, got {accuracy}")
    return (
        _import_cells(source, out, accuracy, classes) if arch is None else _import(source, out, accuracy, arch, classes)
    )


def _import(source: str, out: Path, accuracy: float | None, arch: str, classes: Path | None) -> list[Path]:
    """Imports weights of a reference network."""
    found = find_architecture(arch)
    if not isinstance(found.architecture, ReferenceNetwork):
        raise ValueError(f"--arch must be a reference network such as resnet50 or timm:NAME, got {arch}")
    state_dict = read_state_dict(Path(source))
    spec = network_spec(found, NetworkOptions())
    with torch.device("meta"):
        described = cast("ReferenceModule", build(found.architecture, spec))
    spec = replace(spec, num_classes=count_classes(state_dict, described))
    with torch.random.fork_rng([]):  # the initial weights are drawn and then replaced
        network = cast("ReferenceModule", build(found.architecture, spec)).eval()
    try:
        load_reference(network, state_dict)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    form = found.architecture.form
    statistics = library_statistics(form) if isinstance(form, LibraryForm) else (IMAGENET_MEAN, IMAGENET_STD)
    save_checkpoint(out / WEIGHTS_FILE, network, data=_without_images(spec, statistics, classes), accuracy=accuracy)
    return export_checkpoint(out / WEIGHTS_FILE, out, name=arch)


def _import_cells(source: str, out: Path, accuracy: float | None, classes: Path | None) -> list[Path]:
    """Imports timm's weights of NASNet-A or PNASNet-5."""
    state_dict = _read(source)
    model = describe_timm(state_dict)
    architecture = PUBLISHED[model.architecture]
    with torch.random.fork_rng([]):  # the initial weights are drawn and then replaced
        network = build_network(architecture, model.spec).eval()
    with torch.no_grad():
        load_timm(network, state_dict)
    data = _without_images(model.spec, _TIMM_STATISTICS, classes)
    save_checkpoint(out / WEIGHTS_FILE, network, data=data, accuracy=accuracy)
    files = export_checkpoint(out / WEIGHTS_FILE, out, name=model.architecture)
    draw_architecture(architecture, out / CELLS_FILE, title=model.architecture)
    return [*files, out / CELLS_FILE]


def _read(source: str) -> Mapping[str, torch.Tensor]:
    if source not in TIMM_NAMES:
        if not Path(source).is_file():
            raise ValueError(f"weights must be a file or one of {', '.join(TIMM_NAMES)}, got {source}")
        return read_state_dict(Path(source))
    try:
        import timm
    except ImportError:
        raise RuntimeError("timm is not installed; install 'nas-engine[timm]' or name a file") from None
    state_dict: Mapping[str, torch.Tensor] = timm.create_model(source, pretrained=True).state_dict()
    return state_dict


def _without_images(
    spec: NetworkSpec, statistics: tuple[Sequence[float], Sequence[float]], classes: Path | None
) -> DataSet:
    """A data set without images for the checkpoint: normalization, and the names of the classes."""
    shape = (1, spec.in_channels, spec.image_size, spec.image_size)
    nothing = Split(np.zeros(shape, np.uint8), np.zeros(1, np.int64))
    names = tuple(map(str, range(spec.num_classes)))
    if classes is not None:
        names = tuple(stripped for line in read_text(classes).splitlines() if (stripped := line.strip()))
        if len(names) != spec.num_classes:
            raise ValueError(f"{classes} must name {spec.num_classes} classes, one in each line, got {len(names)}")
    mean, std = (tuple(values[: spec.in_channels]) for values in statistics)
    return DataSet(nothing, nothing, lambda: nothing, names, mean, std)
