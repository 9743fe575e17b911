"""Imports timm's weights of NASNet-A and PNASNet-5, published as `nasnetalarge` and `pnasnet5large`.

Only the names of the weights differ: the networks compute the same function if
`NetworkSpec.average_counts_padding` is set as in `describe_timm`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError
from torch import Tensor

from nas.fidelity import NetworkSpec
from nas.models.network import Network
from nas.models.presets import PRESETS

_NASNET_CELLS = (
    *("cell_stem_0", "cell_stem_1"),
    *(f"cell_{index}" for index in range(6)),
    "reduction_cell_0",
    *(f"cell_{index}" for index in range(6, 12)),
    "reduction_cell_1",
    *(f"cell_{index}" for index in range(12, 18)),
)
_PNASNET_CELLS = ("cell_stem_0", "cell_stem_1", *(f"cell_{index}" for index in range(12)))

# Within a cell, most specific first. The n-th separable convolution of an operation begins at layer 4 (n - 1).
_RENAMES = (
    (r"comb_iter_(\d)_left\.", r"blocks.\1.edges.0."),
    (r"comb_iter_(\d)_right\.", r"blocks.\1.edges.1."),
    (r"separable_1\.depthwise_conv2d\.", "layers.0."),
    (r"separable_1\.pointwise_conv2d\.", "layers.1."),
    (r"bn_sep_1\.", "layers.2."),
    (r"separable_2\.depthwise_conv2d\.", "layers.4."),
    (r"separable_2\.pointwise_conv2d\.", "layers.5."),
    (r"bn_sep_2\.", "layers.6."),
    (r"^(conv_prev_1x1\.)?path_1\.conv\.", "match_before.layers.even."),
    (r"^(conv_prev_1x1\.)?path_2\.conv\.", "match_before.layers.odd."),
    (r"^(conv_prev_1x1\.)?final_path_bn\.", "match_before.layers.norm."),
    (r"^conv_prev_1x1\.", "match_before."),
    (r"^conv_1x1\.", "match_previous."),
    (r"\bconv\.", "layers.0."),
    (r"\bbn\.", "layers.1."),
)


@dataclass(frozen=True, slots=True)
class TimmModel:
    """The network of a state dict: its cells by name in `search_spaces.published.PUBLISHED`, and its spec."""

    architecture: str
    spec: NetworkSpec


def describe_timm(state_dict: Mapping[str, Tensor]) -> TimmModel:
    """Determines the network that a state dict of timm's `nasnetalarge` or `pnasnet5large` belongs to.

    Raises:
        ValueError: if it belongs to neither, or to a network that cannot be built.
    """
    stem = _stem_name(state_dict)
    is_nasnet = stem == "conv0"
    stem_filters, in_channels, *_ = _shape(state_dict, f"{stem}.conv.weight", 4)
    if not 1 <= in_channels <= 3:
        raise ValueError(f"{stem}.conv.weight must read 1 to 3 channels, got {in_channels}")
    try:
        spec = replace(
            PRESETS["imagenet-large" if is_nasnet else "pnasnet-large"],
            num_classes=_shape(state_dict, "last_linear.weight", 2)[0],
            in_channels=in_channels,
            num_filters=_shape(state_dict, "cell_0.conv_1x1.conv.weight", 4)[0],
            stem_filters=stem_filters,
            auxiliary=False,
            average_counts_padding=is_nasnet,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = ": ".join([*map(str, first["loc"]), first["msg"].removeprefix("Value error, ")])
        raise ValueError(f"the shapes of the weights must be those of a network; {problem}") from None
    return TimmModel("nasnet-a" if is_nasnet else "pnasnet-5", spec)


def load_timm(network: Network, state_dict: Mapping[str, Tensor]) -> None:
    """Copies weights and running statistics of timm's network into one that `describe_timm` describes.

    Raises:
        ValueError: if a weight is missing, unknown or of another shape.
    """
    stem = _stem_name(state_dict)
    cells = _NASNET_CELLS if stem == "conv0" else _PNASNET_CELLS
    renamed = {_rename(name, stem, cells): value for name, value in state_dict.items() if not _is_counter(name)}
    ours = {name: value for name, value in network.state_dict().items() if not _is_counter(name)}
    if missing := [name for name in ours if name not in renamed]:
        raise ValueError(f"{len(missing)} weights are missing, among them {missing[0]}")
    if unknown := [name for name in renamed if name not in ours]:
        raise ValueError(f"{len(unknown)} weights are not part of this network, among them {unknown[0]}")
    for name, value in ours.items():
        if renamed[name].shape != value.shape:
            raise ValueError(f"{name} must be of shape {tuple(value.shape)}, got {tuple(renamed[name].shape)}")
        value.copy_(renamed[name])


def _rename(name: str, stem: str, cells: tuple[str, ...]) -> str:
    module, _, rest = name.partition(".")
    if module == stem:
        return "stem." + rest.replace("conv.", "0.").replace("bn.", "1.")
    if module == "last_linear":
        return f"classifier.{rest}"
    if module not in cells:
        return name
    for pattern, replacement in _RENAMES:
        rest = re.sub(pattern, replacement, rest)
    return f"cells.{cells.index(module)}.{rest}"


def _stem_name(state_dict: Mapping[str, Tensor]) -> str:
    for name in ("conv0", "conv_0"):
        if f"{name}.conv.weight" in state_dict:
            return name
    raise ValueError(
        "the weights must be a state dict of timm's nasnetalarge or pnasnet5large, got one without the stem of either"
    )


def _shape(state_dict: Mapping[str, Tensor], name: str, num_dimensions: int) -> tuple[int, ...]:
    if name not in state_dict:
        raise ValueError(f"the state dict must have {name}")
    shape = tuple(state_dict[name].shape)
    if len(shape) != num_dimensions:
        raise ValueError(f"{name} must be a tensor of {num_dimensions} dimensions, got one of shape {shape}")
    return shape


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")
