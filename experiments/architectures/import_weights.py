"""`nas import-weights`: converts timm's weights of NASNet-A and PNASNet-5 and writes them like an export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from experiments.architectures.draw import draw_architecture
from experiments.architectures.export import CELLS_FILE
from nas.data.data_set import DataSet, Split
from nas.export.folder import export_checkpoint
from nas.export.model_source import WEIGHTS_FILE
from nas.fidelity import NetworkSpec
from nas.models.checkpoint import save_checkpoint
from nas.models.imports.timm_cells import describe_timm, load_timm
from nas.models.network import build_network
from search_spaces.published import PUBLISHED

TIMM_NAMES = ("nasnetalarge", "pnasnet5large")
_MEAN = _STD = (0.5, 0.5, 0.5)  # normalization of images in timm, for both networks


def import_weights(source: str, out: Path, *, accuracy: float) -> list[Path]:
    """Writes a folder like `nas export`, with weights converted from timm's network; returns the files.

    `source` is a safetensors file with timm's state dict, or one of `TIMM_NAMES` to download the published weights;
    the published accuracy, between 0 and 1, is stored with them. Files of the same names are replaced.

    Raises ValueError if the source does not hold these weights; RuntimeError if timm is needed and not installed.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"the accuracy must be between 0 and 1, got {accuracy}")
    state_dict = _read(source)
    model = describe_timm(state_dict)
    architecture = PUBLISHED[model.architecture]
    with torch.random.fork_rng([]):  # the initial weights are drawn and then replaced
        network = build_network(architecture, model.spec).eval()
    with torch.no_grad():
        load_timm(network, state_dict)
    save_checkpoint(out / WEIGHTS_FILE, network, data=_without_images(model.spec), accuracy=accuracy)
    files = export_checkpoint(out / WEIGHTS_FILE, out, name=model.architecture)
    draw_architecture(architecture, out / CELLS_FILE, title=model.architecture)
    return [*files, out / CELLS_FILE]


def _read(source: str) -> Mapping[str, torch.Tensor]:
    if source in TIMM_NAMES:
        try:
            import timm
        except ImportError:
            raise RuntimeError("timm is not installed; install 'nas-engine[timm]' or name a file") from None
        state_dict: Mapping[str, torch.Tensor] = timm.create_model(source, pretrained=True).state_dict()
        return state_dict
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"weights must be a file or one of {', '.join(TIMM_NAMES)}, got {source}")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"weights must be a safetensors file, got {path}: {error}") from None


def _without_images(spec: NetworkSpec) -> DataSet:
    """A data set without images for the checkpoint: normalization, and classes, which timm only numbers."""
    shape = (1, spec.in_channels, spec.image_size, spec.image_size)
    nothing = Split(np.zeros(shape, np.uint8), np.zeros(1, np.int64))
    names = tuple(str(index) for index in range(spec.num_classes))
    return DataSet(nothing, nothing, lambda: nothing, names, _MEAN[: spec.in_channels], _STD[: spec.in_channels])
