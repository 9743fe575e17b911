"""Smaller strides of the last stages of a backbone, with dilation, for segmentation."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from nas.models.build import AnyNetwork
from nas.models.edge_network import EdgeNetwork
from nas.models.network import Network
from nas.models.resnet import ResidualNetwork


def set_output_stride(network: AnyNetwork, strides: tuple[int, ...], output_stride: int) -> tuple[int, ...]:
    """Changes a network in place so that no stage has a larger stride; its weights and their names stay.

    Residual networks get dilated convolutions where torchvision's segmenters have them
    (``replace_stride_with_dilation``; 1706.05587, section 3.1). Networks of cells compute the stages on shifted copies,
    see `nas.models.dense.shifted_copies`, which any operation allows.

    Args:
        network: whose stages are changed.
        strides: of its stages.
        output_stride: largest stride, in pixels of the image.

    Returns:
        The new strides of the stages.

    Raises:
        ValueError: if the strides are not larger, or the stages of the network cannot be changed.
    """
    if output_stride not in strides[:-1]:
        came = ", ".join(map(str, strides))
        raise ValueError(
            f"head.output_stride must be a stride of a stage before the last, got {output_stride} of {came}"
        )
    if isinstance(network, ResidualNetwork):
        _dilate(network.stages, strides, output_stride)
    elif isinstance(network, Network):
        stem = 1 if network.spec.stem == "cifar" else 2
        network.dense_cells = frozenset(
            index
            for index, (shape, place) in enumerate(zip(network.shapes, network.places, strict=True))
            if place.reduction and stem << shape.num_halvings > output_stride
        )
    elif isinstance(network, EdgeNetwork):
        network.dense_stages = frozenset(index for index, stride in enumerate(strides) if stride > output_stride)
    else:
        raise ValueError(
            "head.output_stride is for networks of cells and residual networks, got one from another library, whose "
            "layers are unknown"
        )
    return tuple(min(stride, output_stride) for stride in strides)


def _dilate(stages: Iterable[nn.Sequential], strides: tuple[int, ...], output_stride: int) -> None:
    for stage, stride in zip(stages, strides, strict=True):
        if stride > output_stride:
            dilation = stride // output_stride
            for index, block in enumerate(stage):
                _dilate_block(block, dilation // 2 if index == 0 else dilation, dilation)


def _dilate_block(block: nn.Module, before: int, after: int) -> None:
    """Dilates a residual block by `before` up to the convolution whose stride is removed, and by `after` from there."""
    dilation = before
    for name, layer in [*block.named_modules()]:
        if isinstance(layer, nn.AvgPool2d):  # ResNet-D's shortcut averages what is no longer skipped
            block.set_submodule(name, nn.Identity())
        if not isinstance(layer, nn.Conv2d):
            continue
        if layer.kernel_size != (1, 1):
            layer.dilation = layer.padding = (dilation, dilation)
        if layer.stride != (1, 1):
            layer.stride, dilation = (1, 1), after
