"""Source code of an exported `model.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from nas.architecture import Architecture, Cell
from nas.export.builders import builder_functions, literal, norm_constant, reference
from nas.export.cell_source import BLOCK_SOURCE, CellSource
from nas.export.definitions import Definitions, Import
from nas.export.network_source import LOAD_SOURCE, NORMALIZE_SOURCE, has_appearance, network_source, stack_constants
from nas.fidelity import NetworkSpec
from nas.models.cell import Matching
from nas.models.classifier_norm import SAME_STATISTICS, place_in_cells
from nas.models.layers import Conv, Rectified, Unchanged
from nas.models.network import Network, build_network, stem_norm
from nas.models.normalization import NORMALIZATIONS, Normalization, NormSettings, OperationNorms, batch_norm, group_norm
from nas.models.operations import Site
from nas.models.states import HiddenState, StateShape

WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Labels:
    """Normalization and class names of a trained network; see `nas.models.checkpoint.Checkpoint`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]


def model_source(architecture: Architecture, spec: NetworkSpec, *, name: str = "", labels: Labels | None = None) -> str:
    """Generates the Python source of a network, which imports nothing but torch and the standard library.

    Parts used in training only are left out. Raises ValueError if an operation or norm is unknown or cannot be exported
    as source.
    """
    spec = replace(spec, norm="bn") if spec.norm in SAME_STATISTICS else spec
    with torch.device("meta"):
        network = build_network(place_in_cells(architecture, spec), bare_spec(spec))
    cells = _used_cells(network)
    used = {block.norm for source in cells.values() for block in source.cell.blocks}
    norms = sorted(used | {"bn"} if any(source.varies for source in cells.values()) else used)
    definitions = Definitions.of([*_roots(source.cell for source in cells.values()), *_norm_roots(network)])
    blocks = [
        _docstring(network, name, labels),
        "from __future__ import annotations\n",
        definitions.import_lines(_imports(norms)) + "\n",
        "\n".join(_constants(network, labels)),
        *(f"\n\n# {title}\n\n\n{text}" for title, text in definitions.sections()),
        *_replaced_norm(network.spec),
        "\n\n# This network: norms, cells and the network itself\n\n" + "\n".join(_norms(norms, network.spec)),
        *_classes(network, cells, labels),
    ]
    return "\n".join(blocks).rstrip() + "\n"


def bare_spec(spec: NetworkSpec) -> NetworkSpec:
    """Returns the settings without parts used in training only: auxiliary head and drop path."""
    return replace(spec, auxiliary=False, drop_path=0.0)


def plain_title(name: str) -> str:
    """Removes special characters from a title, since it becomes part of code."""
    return re.sub(r"[^A-Za-z0-9 ._@/,+-]", "", name)[:80].strip() or "A network"


def _used_cells(network: Network) -> dict[bool, CellSource]:
    """Returns the generators of the cell classes, keyed by whether it is the reduction cell, if the network has any."""
    sources = {}
    for reduction in sorted({place.reduction for place in network.places}):
        cell = network.architecture.reduction if reduction else network.architecture.normal
        varies = any(not has_appearance(network, place) for place in network.places if place.reduction == reduction)
        varies &= any(NORMALIZATIONS[block.norm].appearance for block in cell.blocks)
        sources[reduction] = CellSource(
            cell, reduction=reduction, varies=varies, counts_padding=network.spec.average_counts_padding
        )
    return sources


def _roots(cells: Iterable[Cell]) -> list[Callable[..., Any]]:
    """Returns everything that the generated classes use."""
    frame: list[Callable[..., Any]] = [Matching, Conv, HiddenState, StateShape, Rectified, Unchanged]
    frame += [Normalization, NormSettings, OperationNorms, Site, batch_norm]
    return [*frame, *(function for cell in cells for function in builder_functions(cell))]


def _norm_roots(network: Network) -> list[Callable[..., Any]]:
    builders = [stem_norm(network.architecture, network.spec)]
    return [*builders, group_norm] if network.spec.norm == "gn" else builders


def _replaced_norm(spec: NetworkSpec) -> Iterator[str]:
    if spec.norm == "gn":
        yield "\n# Group normalization takes the place of batch normalization everywhere in this network."
        yield "batch_norm = group_norm"


def _imports(norms: Iterable[str]) -> list[Import]:
    """Returns the imports that the generated classes use in addition to those of the collected definitions."""
    named = [("collections.abc", "Iterator"), ("pathlib", "Path"), ("torch", "Tensor"), ("torch", "nn")]
    if any("partial(" in line for line in _norms(norms, NetworkSpec())):
        named.append(("functools", "partial"))
    return [Import("torch", "", "torch"), *(Import(module, name, name) for module, name in named)]


def _docstring(network: Network, name: str, labels: Labels | None) -> str:
    use = "network = Network()  # untrained\n    logits = network(images)"
    if labels is not None:
        use = "network = load()\n    logits = network(normalize(images))  # images with values from 0 to 1"
    size, num_channels = network.spec.image_size, network.spec.in_channels
    num_parameters = sum(parameter.numel() for parameter in network.parameters())
    return f'''\
"""{plain_title(name)}: an image classifier with {num_parameters:,} parameters, exported by nas-engine.

This file requires only torch, and safetensors to load weights from a file:

    {use}

Images are (N, {num_channels}, H, W). The network is made for {size} x {size} pixels but accepts other sizes: maps are
padded so that a stride of 2 halves their size, rounding up. In each cell, p is the output of the cell before the
previous one, h that of the previous one, and s2, s3, ... are the states computed by the blocks.
"""
'''


def _constants(network: Network, labels: Labels | None) -> Iterator[str]:
    yield f"IMAGE_SIZE = {network.spec.image_size}"
    if labels is not None:
        num_channels = network.spec.in_channels
        for name, values in (("mean", labels.mean), ("std", labels.std)):
            if len(values) != num_channels or not all(map(math.isfinite, values)):
                wanted = f"{num_channels} finite numbers, one for each channel"
                raise ValueError(f"{name} must be {wanted}, got {values!r:.100}")
            yield f"{name.upper()} = {tuple(map(float, values))}"
        yield from ("CLASS_NAMES = (", *(f"    {literal(name)}," for name in labels.class_names), ")")
    yield from stack_constants(network)


def _norms(norms: Iterable[str], spec: NetworkSpec) -> Iterator[str]:
    yield (
        f"NORMS = NormSettings(epsilon={spec.norm_epsilon}, momentum={spec.norm_momentum}, "
        f"instance_ratio={spec.instance_ratio})"
    )
    for name in norms:
        first, rest = (reference(builder) for builder in (NORMALIZATIONS[name].first, NORMALIZATIONS[name].rest))
        yield f"{norm_constant(name)} = Normalization(first={first}, rest={rest})"


def _classes(network: Network, cells: dict[bool, CellSource], labels: Labels | None) -> Iterator[str]:
    yield "\n\n" + BLOCK_SOURCE + "\n"
    for source in cells.values():
        yield "\n" + source.text()
    yield "\n" + network_source(network, cells) + "\n"
    if labels is not None:
        yield "\n" + NORMALIZE_SOURCE.format(in_channels=network.spec.in_channels) + "\n"
    yield "\n" + LOAD_SOURCE.format(weights_file=WEIGHTS_FILE)
