"""Networks of the papers as presets, and the papers' notation N @ P."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.stack import cell_places, output_width

_IMAGENET_LARGE = NetworkSpec(
    num_classes=1000,
    image_size=331,
    num_filters=168,
    num_repeats=6,
    stem="imagenet",
    stem_filters=96,
    num_stem_cells=2,
    skip_reduction_input=True,
    auxiliary=True,
    drop_path=0.3,
    dropout=0.5,
    norm_epsilon=1e-3,
    norm_momentum=3e-4,
)

PRESETS: Mapping[str, NetworkSpec] = MappingProxyType(
    {
        "cifar10": NetworkSpec(num_filters=32, num_repeats=6, auxiliary=True, drop_path=0.4),
        "imagenet-mobile": replace(
            _IMAGENET_LARGE,
            image_size=224,
            num_filters=44,
            num_repeats=4,
            stem_filters=32,
            skip_reduction_input=False,
            drop_path=0.0,
        ),
        "imagenet-large": _IMAGENET_LARGE,
        "pnasnet-large": replace(
            _IMAGENET_LARGE,
            num_filters=216,
            num_repeats=4,
            skip_reduction_input=False,
            reduction_in_stage=True,
            drop_path=0.4,
        ),
        "nasbench201": NetworkSpec(num_filters=16, num_repeats=5),
    }
)
"""With NASNet-A's cells, the first three are its 6 @ 768, 4 @ 1056 and 6 @ 4032; ``nasbench201`` is for cells with
operations on edges. All constants are the authors'."""


@dataclass(frozen=True, slots=True)
class PublishedSize:
    """A size in which cells were published: the network around them, and whose it is."""

    spec: NetworkSpec
    source: str


_AMOEBANET_A = replace(PRESETS["cifar10"], num_filters=36)
PUBLISHED_SIZES: Mapping[str, PublishedSize] = MappingProxyType(
    {
        "nasnet-a": PublishedSize(PRESETS["cifar10"], "NASNet-A for CIFAR-10 (1707.07012, table 1)"),
        "pnasnet-5": PublishedSize(PRESETS["pnasnet-large"], "PNASNet-5 for ImageNet, large (1712.00559)"),
        "amoebanet-a": PublishedSize(_AMOEBANET_A, "AmoebaNet-A for CIFAR-10, N = 6 and F = 36 (1802.01548)"),
    }
    | {
        f"amoebanet-{letter}": PublishedSize(_AMOEBANET_A, "that of AmoebaNet-A for CIFAR-10 (1802.01548)")
        for letter in "bcd"
    }
)
"""The size that the name of a published architecture means, a key of `search_spaces.published.PUBLISHED`."""


def parse_stack(text: str, spec: NetworkSpec, architecture: Architecture, *, nearest: bool = False) -> NetworkSpec:
    """Sets repeats and filters of a spec from the papers' notation "N @ P", such as ``6@768``.

    N is the number of normal cells per stage, P that of final channels, which depends on the cells: 6 for each filter
    with NASNet-A's. With `nearest`, the number of filters is the one that gives the nearest P.

    Raises:
        ValueError: if the text does not have that form, or no valid number of filters gives P channels.
    """
    match = re.fullmatch(r"\s*(\d{1,4})\s*@\s*(\d{1,7})\s*", text, re.ASCII)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"a stack must be N@P with N from 1, such as 6@768, got {text!r:.100}")
    num_repeats, channels = int(match[1]), int(match[2])
    granule = 2 ** max(1, spec.num_stem_cells)
    stacked = replace(spec, num_repeats=num_repeats, num_filters=granule)
    step = _last_width(stacked, architecture)
    if nearest:
        return replace(stacked, num_filters=granule * max(1, round(channels / step)))
    if channels and channels % step == 0:
        return replace(stacked, num_filters=granule * channels // step)
    others = [f"{num_repeats}@{step * k}" for k in (channels // step, channels // step + 1) if k > 0]
    raise ValueError(
        f"the channels of a stack must be a multiple of {step} with these cells ({step // granule} for each filter, "
        f"filters in steps of {granule}), got {text.strip()}; nearest: {' and '.join(others)}"
    )


def format_stack(spec: NetworkSpec, architecture: Architecture) -> str:
    """Returns the papers' notation "N @ P" of a network; the inverse of `parse_stack`."""
    return f"{spec.num_repeats}@{_last_width(spec, architecture)}"


def _last_width(spec: NetworkSpec, architecture: Architecture) -> int:
    """Returns the number of channels before the classifier."""
    last = cell_places(spec)[-1]
    return output_width(architecture.reduction if last.reduction else architecture.normal, last.num_filters)
