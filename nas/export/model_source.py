"""Source code of an exported `model.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from nas.architecture import Cell
from nas.descriptions import CellDescription
from nas.edge_cell import EdgeCell
from nas.export.builders import builder_functions, literal, norm_constant, reference
from nas.export.cell_source import BLOCK_SOURCE, CellSource
from nas.export.definitions import Definitions, Import
from nas.export.edge_source import edge_classes, edge_constants
from nas.export.network_source import LOAD_SOURCE, NORMALIZE_SOURCE, has_appearance, network_source, stack_constants
from nas.fidelity import NetworkSpec
from nas.models.cell import Matching
from nas.models.classifier_norm import SAME_STATISTICS, place_in_cells
from nas.models.edge_network import EdgeNetwork, ResidualReduction
from nas.models.layers import Conv, Rectified, Unchanged
from nas.models.network import Network, build_network, stem_norm
from nas.models.normalization import NORMALIZATIONS, Normalization, NormSettings, OperationNorms, batch_norm, group_norm
from nas.models.operations import Site
from nas.models.states import HiddenState, StateShape

WEIGHTS_FILE = "weights.safetensors"
_ABOUT_CELLS = """\
In each cell, p is the output of the cell before the
previous one, h that of the previous one, and s2, s3, ... are the states computed by the blocks."""
_ABOUT_EDGES = """\
In a cell, s0 is its input, s1, s2, ...
are its further states, the last of them its output, and r0, r1, ... are states after ReLU."""
_TITLE = "\n\n# This network: norms, cells and the network itself\n\n"


@dataclass(frozen=True, slots=True)
class Labels:
    """Normalization and class names of a trained network; see `nas.models.checkpoint.Checkpoint`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Body:
    """What differs between kinds of networks: a sentence about them, what they use, constants and classes."""

    about: str
    definitions: Definitions
    imports: list[Import]
    constants: Iterable[str]
    classes: Iterable[str]


def model_source(
    architecture: CellDescription, spec: NetworkSpec, *, name: str = "", labels: Labels | None = None
) -> str:
    """Generates the Python source of a network, which imports nothing but torch and the standard library.

    Parts used in training only are left out. Raises ValueError if an operation or norm is unknown or cannot be exported
    as source.
    """
    spec = replace(spec, norm="bn") if spec.norm in SAME_STATISTICS else spec
    network = _network(architecture, bare_spec(spec))
    body = _edge_body(network) if isinstance(network, EdgeNetwork) else _cell_body(network)
    in_channels = network.spec.in_channels
    blocks = [
        _docstring(network, name, labels, body.about),
        "from __future__ import annotations\n",
        body.definitions.import_lines(body.imports) + "\n",
        "\n".join(_constants(network, labels)),
        "\n".join(body.constants),
        *(f"\n\n# {title}\n\n\n{text}" for title, text in body.definitions.sections()),
        *_replaced_norm(network.spec),
        *body.classes,
        *([] if labels is None else ["\n" + NORMALIZE_SOURCE.format(in_channels=in_channels) + "\n"]),
        "\n" + LOAD_SOURCE.format(weights_file=WEIGHTS_FILE),
    ]
    return "\n".join(blocks).rstrip() + "\n"


def _network(architecture: CellDescription, spec: NetworkSpec) -> Network | EdgeNetwork:
    with torch.device("meta"):
        if isinstance(architecture, EdgeCell):
            return EdgeNetwork(architecture, spec)
        return build_network(place_in_cells(architecture, spec), spec)


def _cell_body(network: Network) -> _Body:
    cells = _used_cells(network)
    used = {block.norm for source in cells.values() for block in source.cell.blocks}
    norms = sorted(used | {"bn"} if any(source.varies for source in cells.values()) else used)
    return _Body(
        _ABOUT_CELLS,
        Definitions.of([*_roots(source.cell for source in cells.values()), *_norm_roots(network)]),
        _imports(norms),
        stack_constants(network),
        _classes(network, cells, norms),
    )


def _edge_body(network: EdgeNetwork) -> _Body:
    norms = [NormSettings, batch_norm, *([group_norm] if network.spec.norm == "gn" else [])]
    names = (("pathlib", "Path"), ("torch", "Tensor"), ("torch", "nn"))
    imports = [Import("torch", "", "torch"), *(Import(module, name, name) for module, name in names)]
    if "avg_pool_3x3" in network.architecture.ops:
        imports.append(Import("torch.nn.functional", "", "F"))
    return _Body(
        _ABOUT_EDGES,
        Definitions.of([ResidualReduction, *norms]),
        imports,
        edge_constants(network),
        [f"{_TITLE}{_norm_settings(network.spec)}\n", *(f"\n{each}\n" for each in edge_classes(network))],
    )


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


def _docstring(network: Network | EdgeNetwork, name: str, labels: Labels | None, about: str) -> str:
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
padded so that a stride of 2 halves their size, rounding up. {about}
"""
'''


def _constants(network: Network | EdgeNetwork, labels: Labels | None) -> Iterator[str]:
    yield f"IMAGE_SIZE = {network.spec.image_size}"
    if labels is not None:
        num_channels = network.spec.in_channels
        for name, values in (("mean", labels.mean), ("std", labels.std)):
            if len(values) != num_channels or not all(map(math.isfinite, values)):
                wanted = f"{num_channels} finite numbers, one for each channel"
                raise ValueError(f"{name} must be {wanted}, got {values!r:.100}")
            yield f"{name.upper()} = {tuple(map(float, values))}"
        yield from ("CLASS_NAMES = (", *(f"    {literal(name)}," for name in labels.class_names), ")")


def _norms(norms: Iterable[str], spec: NetworkSpec) -> Iterator[str]:
    yield _norm_settings(spec)
    for name in norms:
        first, rest = (reference(builder) for builder in (NORMALIZATIONS[name].first, NORMALIZATIONS[name].rest))
        yield f"{norm_constant(name)} = Normalization(first={first}, rest={rest})"


def _norm_settings(spec: NetworkSpec) -> str:
    return (
        f"NORMS = NormSettings(epsilon={spec.norm_epsilon}, momentum={spec.norm_momentum}, "
        f"instance_ratio={spec.instance_ratio})"
    )


def _classes(network: Network, cells: dict[bool, CellSource], norms: Iterable[str]) -> Iterator[str]:
    yield _TITLE + "\n".join(_norms(norms, network.spec))
    yield "\n\n" + BLOCK_SOURCE + "\n"
    for source in cells.values():
        yield "\n" + source.text()
    yield "\n" + network_source(network, cells) + "\n"
