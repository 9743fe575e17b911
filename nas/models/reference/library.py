"""Creates the classification networks of torchvision and timm, with initial weights."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from nas.fidelity import NetworkSpec
from nas.models.reference.names import IMAGENET_FORM, LibraryForm

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIZED = {"vit_": "image_size", "maxvit_": "input_size"}
"""Networks of torchvision, by the start of their name, that are made for one size of images, and the setting's name."""


def check_library_network(form: LibraryForm) -> None:
    """Checks that a library has a network.

    Raises:
        ValueError: if it is unknown.
        RuntimeError: if timm is needed and not installed.
    """
    names = _names(form.library)
    if form.name.split(".")[0] not in names:
        near = get_close_matches(form.name, names, n=3)
        raise ValueError(
            f"{form.library} has no classification network {form.name}"
            + (f"; did you mean {', '.join(near)}?" if near else "")
        )


def create_library_network(form: LibraryForm, spec: NetworkSpec) -> nn.Module:
    """Creates a network with initial weights; nothing is downloaded.

    Classes, channels, image size where it matters, and dropout are the spec's, other settings the library's. With the
    stem ``cifar``, a first convolution of stride 2 gets stride 1.

    Raises:
        ValueError: if it is unknown.
        RuntimeError: if timm is needed and not installed.
    """
    check_library_network(form)
    create = _from_torchvision if form.library == "torchvision" else _from_timm
    try:
        network = create(form.name, spec)
    except NotImplementedError:  # some compute their widths with tensors, which the meta device cannot
        with torch.device("cpu"):
            network = create(form.name, spec).to("meta")
    first = _first_convolution(network)
    if first is not None and spec.stem == "cifar" and first.stride == (2, 2):
        first.stride = (1, 1)
    return network


def library_spec(form: LibraryForm) -> NetworkSpec:
    """Returns the form in which a library publishes a network: 1,000 classes, and the size of its images.

    Raises:
        ValueError: if it is unknown.
        RuntimeError: if timm is needed and not installed.
    """
    check_library_network(form)
    size = IMAGENET_FORM.image_size
    if form.library == "torchvision":
        from torchvision.models import get_model_weights

        weights = get_model_weights(form.name).DEFAULT  # type: ignore[attr-defined]
        size = weights.transforms().crop_size[0]
    elif (published := _timm().models.get_pretrained_cfg(form.name)) is not None:
        size = published.input_size[-1]
    return replace(IMAGENET_FORM, image_size=size)


def library_statistics(form: LibraryForm) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of each channel by which a library normalizes a network's images."""
    check_library_network(form)
    if form.library == "torchvision":
        from torchvision.models import get_model_weights

        transforms = get_model_weights(form.name).DEFAULT.transforms()  # type: ignore[attr-defined]
        return tuple(transforms.mean), tuple(transforms.std)
    published = _timm().models.get_pretrained_cfg(form.name)
    return (tuple(published.mean), tuple(published.std)) if published is not None else (IMAGENET_MEAN, IMAGENET_STD)


def _names(library: str) -> list[str]:
    if library == "torchvision":
        import torchvision.models

        return torchvision.models.list_models(module=torchvision.models)
    names: list[str] = _timm().list_models()
    return names


def _timm() -> Any:  # noqa: ANN401 - a module
    try:
        import timm
    except ImportError:
        raise RuntimeError("timm is not installed; install 'nas-engine[timm]' to use its networks") from None
    return timm


def _from_torchvision(name: str, spec: NetworkSpec) -> nn.Module:
    from torchvision.models import get_model

    settings: dict[str, Any] = {"num_classes": spec.num_classes}
    if name in {"inception_v3", "googlenet"}:
        settings |= {"aux_logits": name == "inception_v3" and spec.auxiliary, "init_weights": True}
    for start, setting in _SIZED.items():
        if name.startswith(start):
            settings[setting] = (spec.image_size, spec.image_size) if setting == "input_size" else spec.image_size
    network: nn.Module = get_model(name, weights=None, **settings)
    if spec.in_channels != 3:
        _set_channels(network, spec.in_channels)
    if spec.dropout > 0:
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = spec.dropout
    return network


def _from_timm(name: str, spec: NetworkSpec) -> nn.Module:
    timm = _timm()
    settings: dict[str, Any] = {"num_classes": spec.num_classes, "in_chans": spec.in_channels}
    if spec.dropout > 0:
        settings["drop_rate"] = spec.dropout
    published = timm.models.get_pretrained_cfg(name)
    if published is not None and published.fixed_input_size:
        settings["img_size"] = spec.image_size
    network: nn.Module = timm.create_model(name, pretrained=False, **settings)
    return network


def _first_convolution(network: nn.Module) -> nn.Conv2d | None:
    return next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)


def _set_channels(network: nn.Module, in_channels: int) -> None:
    """Replaces the first convolution by one that reads another number of channels."""
    name, old = next((name, each) for name, each in network.named_modules() if isinstance(each, nn.Conv2d))
    new = nn.Conv2d(
        in_channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        stride=old.stride,  # type: ignore[arg-type]
        padding=old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    network.get_submodule(name.rpartition(".")[0]).add_module(name.rpartition(".")[2], new)
