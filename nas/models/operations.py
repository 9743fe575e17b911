"""Operations on the edges of a cell; each line of `OPERATIONS` is one choice of a search space.

An operation applies its layers to a *view* of a hidden state: the state itself, after ReLU, or pooled. Views have no
parameters, and operations that read the same view of the same state share its computation.

The order within an operation is ReLU, convolution, normalization, with nothing between a depthwise convolution and its
pointwise one. Maps are padded as TensorFlow's SAME, so stride 2 halves a size, rounding up (NASNet, 1707.07012,
appendix A.4, and the authors' code).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from nas.models.layers import Conv, DepthwiseConv, Pool, Rectified, Unchanged, View
from nas.models.normalization import OperationNorms
from nas.models.states import HiddenState
from nas.plugins import Table


@dataclass(frozen=True, slots=True)
class Site:
    """Place of an operation within a network.

    Attributes:
        in_channels: channels of the state that it reads.
        out_channels: channels of its result.
        stride: 1, or 2 to halve the map.
        norms: builds its norms.
        average_counts_padding: see `nas.fidelity.NetworkSpec`.
    """

    in_channels: int
    out_channels: int
    stride: int
    norms: OperationNorms
    average_counts_padding: bool = False


class EdgeLayers(nn.Module):
    """An operation at its site: a view of a hidden state, and the layers that follow it, if any.

    Example:
        >>> import nas
        >>> cell = nas.Cell((nas.Block(nas.Edge(0, "conv_3x3"), nas.Edge(1, "identity")),))
        >>> network = nas.build_network(nas.Architecture(cell, cell), num_filters=4, num_repeats=1)
        >>> any(isinstance(module, nas.EdgeLayers) for module in network.modules())
        True
    """

    def __init__(self, view: View, *layers: nn.Module) -> None:
        super().__init__()
        self.view = view
        self.layers = nn.Sequential(*layers)

    def forward(self, state: HiddenState) -> Tensor:
        """Applies the operation to a state."""
        result: Tensor = self.layers(state.view(self.view))
        return result


@dataclass(frozen=True, slots=True)
class Operation:
    """A choice of operation for an edge.

    Attributes:
        build: builds the operation for a site.
        drops: whether scheduled drop path may drop its result; true for all but identity.

    Example:
        >>> import nas
        >>> nas.OPERATIONS["identity"].drops
        False
    """

    build: Callable[[Site], EdgeLayers]
    drops: bool = True


def identity(site: Site) -> EdgeLayers:
    """Builds the identity; if the shape changes, ReLU, a strided 1x1 convolution and a norm."""
    keeps_shape = site.stride == 1 and site.in_channels == site.out_channels
    return EdgeLayers(Unchanged()) if keeps_shape else convolution(1, site)


def pool(kind: str, size: int, site: Site) -> EdgeLayers:
    """Builds an ``avg`` or ``max`` pooling; if the width changes, a 1x1 convolution and a norm follow, without ReLU."""
    view = Pool(kind, size, site.stride, counts_padding=site.average_counts_padding and site.stride == 2)
    if site.in_channels == site.out_channels:
        return EdgeLayers(view)
    return EdgeLayers(view, Conv(site.in_channels, site.out_channels, 1), site.norms.build(site.out_channels))


def convolution(size: int, site: Site) -> EdgeLayers:
    """Builds ReLU, a dense convolution and a norm."""
    conv = Conv(site.in_channels, site.out_channels, size, stride=site.stride)
    return EdgeLayers(Rectified(), conv, site.norms.build(site.out_channels))


def factored_convolution(size: int, site: Site) -> EdgeLayers:
    """Builds ReLU and a 1 x size, then a size x 1 convolution, each followed by a norm."""
    return EdgeLayers(Rectified(), *_factored(size, site, site.in_channels, site.out_channels))


def separable_convolution(size: int, site: Site, *, dilation: int = 1) -> EdgeLayers:
    """Builds two depthwise-separable convolutions; the first has the stride and the change of width."""
    channels = site.out_channels
    first = _separable(size, site, site.in_channels, stride=site.stride, dilation=dilation)
    second = _separable(size, site, channels, stride=1, dilation=dilation)
    return EdgeLayers(Rectified(), *first, nn.ReLU(inplace=True), *second)


def dilated_convolution(size: int, site: Site) -> EdgeLayers:
    """Builds one depthwise-separable convolution of dilation 2.

    The paper says only "3x3 dilated convolution"; this is the form used by implementations of its search space.
    """
    return EdgeLayers(Rectified(), *_separable(size, site, site.in_channels, stride=site.stride, dilation=2))


def bottleneck(core: str, size: int, site: Site) -> EdgeLayers:
    """Builds AmoebaNet's bottlenecks (1802.01548, the authors' code): a 1x1 convolution, the core, and a 1x1 back.

    The core is ``square`` or ``factored`` (1 x size and size x 1) and has a quarter of the filters; 1x3 and 3x1 have
    three eighths. With too few filters for a bottleneck, only the core is built.
    """
    narrow = 3 * site.out_channels // 8 if (core, size) == ("factored", 3) else site.out_channels // 4
    plain = convolution if core == "square" else factored_convolution
    if narrow == 0:
        return plain(size, site)
    before = (Conv(site.in_channels, narrow, 1), site.norms.build(narrow), nn.ReLU(inplace=True))
    if core == "square":
        middle: list[nn.Module] = [Conv(narrow, narrow, size, stride=site.stride), site.norms.build(narrow)]
    else:
        middle = _factored(size, site, narrow, narrow)
    after = (nn.ReLU(inplace=True), Conv(narrow, site.out_channels, 1), site.norms.build(site.out_channels))
    return EdgeLayers(Rectified(), *before, *middle, *after)


def _factored(size: int, site: Site, in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        Conv(in_channels, out_channels, (1, size), stride=(1, site.stride)),
        site.norms.build(out_channels),
        nn.ReLU(inplace=True),
        Conv(out_channels, out_channels, (size, 1), stride=(site.stride, 1)),
        site.norms.build(out_channels),
    ]


def _separable(size: int, site: Site, in_channels: int, *, stride: int, dilation: int) -> list[nn.Module]:
    return [
        DepthwiseConv(in_channels, size, stride=stride, dilation=dilation),
        Conv(in_channels, site.out_channels, 1),
        site.norms.build(site.out_channels),
    ]


def _from_outside(value: Any) -> Operation:  # noqa: ANN401 - any object
    if isinstance(value, Operation):
        return value
    if not callable(value):
        raise ValueError(f"an operation must be a function of a Site that returns EdgeLayers, got {value!r:.100}")
    return Operation(value)


OPERATIONS = Table(
    "operation",
    {
        "identity": Operation(identity, drops=False),
        "conv_1x3_3x1": Operation(partial(factored_convolution, 3)),
        "conv_1x7_7x1": Operation(partial(factored_convolution, 7)),
        "dil_conv_3x3": Operation(partial(dilated_convolution, 3)),
        "avg_pool_3x3": Operation(partial(pool, "avg", 3)),
        "max_pool_2x2": Operation(partial(pool, "max", 2)),
        "max_pool_3x3": Operation(partial(pool, "max", 3)),
        "max_pool_5x5": Operation(partial(pool, "max", 5)),
        "max_pool_7x7": Operation(partial(pool, "max", 7)),
        "conv_1x1": Operation(partial(convolution, 1)),
        "conv_3x3": Operation(partial(convolution, 3)),
        "sep_conv_3x3": Operation(partial(separable_convolution, 3)),
        "sep_conv_5x5": Operation(partial(separable_convolution, 5)),
        "sep_conv_7x7": Operation(partial(separable_convolution, 7)),
        "dil2_sep_conv_5x5": Operation(partial(separable_convolution, 5, dilation=2)),
        "bottleneck_conv_3x3": Operation(partial(bottleneck, "square", 3)),
        "bottleneck_conv_1x3_3x1": Operation(partial(bottleneck, "factored", 3)),
        "bottleneck_conv_1x7_7x1": Operation(partial(bottleneck, "factored", 7)),
    },
    _from_outside,
)
"""All operations by name; a name such as ``package.module:name`` finds one from outside, see `nas.plugins`.

Example:
    >>> import nas
    >>> "sep_conv_5x5" in nas.OPERATIONS
    True
"""
