"""The inputs of a training: its configuration, and a network and images that fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from rich.console import Console

from experiments.architectures.count import count_network, network_line
from experiments.architectures.find import ArchitectureSource, NetworkOptions, find_architecture, find_preset, set_stack
from experiments.architectures.trained import find_trained_file
from experiments.config.from_images import load_images
from experiments.config.kinds import ConfigKind, Document
from experiments.config.parsing.sections import dump_settings
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.training_config import TrainingConfig
from experiments.runs.printing import say, say_report
from experiments.runs.run_folder import RunFolder
from nas.data.data_set import DataSet
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.checkpoint import load_checkpoint
from nas.models.reference.descriptions import Buildable
from nas.training.teacher import TORCHVISION, load_teacher
from nas.training.transfer import check_same_architecture, describe_transfer, transfer_spec

_OF_IMAGES = ("num_classes", "in_channels")
_DISTILLATION = 0.5
"""Weight of the teacher where ``--teacher`` is given and the configuration has none."""

_C = TypeVar("_C", bound=TrainingConfig)


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """The network to train, as a command line asks for it.

    Attributes:
        arch: As for `find_architecture`; None takes that of the checkpoint to start from, or that of the folder.
        options: The network around the cells; a preset replaces the configuration's.
    """

    arch: str | None = None
    options: NetworkOptions = NetworkOptions()  # noqa: RUF009 - it is immutable


def resolve_training(kind: ConfigKind, request: ConfigRequest, network: NetworkRequest, folder: RunFolder) -> Document:
    """Resolves the configuration of a training; see `experiments.config.resolve.resolve`.

    A folder that holds a training also gives the network around the architecture, unless they are named again.
    """
    stored, options = folder.stored_document() or {}, network.options
    if options.preset is not None:
        request = replace(request, sections={"network": _preset_section(options.preset)})
    elif network.arch is None and isinstance(stored.get("network"), dict):
        request = replace(request, sections={"network": stored["network"]})
    weights = {("training", key): _weights(request.changes.get(("training", key))) for key in ("start", "teacher")}
    size = {("network", "image_size"): options.image_size, ("network", "num_classes"): options.classes}
    document = resolve(kind, request.changed({**weights, **size}), stored)
    if weights["training", "teacher"] is not None:
        document["recipe"].setdefault("distillation", _DISTILLATION)
    return document


def load_training(
    kind: type[_C],
    document: Document,
    request: ConfigRequest,
    network: NetworkRequest,
    folder: RunFolder,
    console: Console,
) -> tuple[DataSet, _C, Buildable]:
    """Loads architecture and images, completes the document in place, and prints what is trained.

    The document is that of `resolve_training` for the same request, network and folder.

    Raises:
        ValueError: If the configuration is not valid, or network, images and checkpoints do not fit together.
    """
    kind.parse(document, source=request.source)  # bad settings are refused before anything is read
    source = _find_source(network.arch, document, folder)
    data, config = load_images(kind, document, request, console)
    say_report(console, data.report)
    config = replace(config, network=_fit_network(config, source, network.options))
    _check_fits(config, data)
    if config.training.teacher is not None:
        load_teacher(config.training.teacher, data)  # one that does not fit is refused before there is a folder
    budget = network.options.budget
    counted = count_network(source, config.network, budget="" if budget is None else str(budget))
    for line in (f"network: {network_line(counted)}", *_transfer_lines(config, source, data)):
        say(console, line)
    return data, config, source.architecture


def _preset_section(name: str) -> dict[str, Any]:
    """The section `network` of a preset, without what the images determine."""
    return {key: value for key, value in dump_settings(find_preset(name)).items() if key not in _OF_IMAGES}


def _weights(text: str | None) -> str | None:
    """The absolute path of the checkpoint that a text refers to."""
    return text if text is None or text.startswith(TORCHVISION) else str(find_trained_file(text).resolve())


def _find_source(arch: str | None, document: Document, folder: RunFolder) -> ArchitectureSource:
    start = document["training"].get("start")
    if arch is not None:
        source = find_architecture(arch)
        if start is not None:
            check_same_architecture(load_checkpoint(start), source.architecture, name=start)
        return source
    if start is not None:
        return ArchitectureSource(start, load_checkpoint(start).network.architecture)
    stored = folder.stored_architecture()
    if stored is None:
        raise ValueError("the architecture to train must be given with --arch, or --from a checkpoint")
    return ArchitectureSource(str(folder.path), stored)


def _fit_network(config: TrainingConfig, source: ArchitectureSource, options: NetworkOptions) -> NetworkSpec:
    """The network around the cells: that of the checkpoint to start from, else that of the settings with the stack."""
    start, spec = config.training.start, config.network
    if start is None:
        return set_stack(spec, source, options)
    if replace(options, image_size=None, classes=None).given:
        raise ValueError(
            f"--from {start} fixes the network: it cannot be combined with --preset, --stack, --parameters or "
            "--multiply-adds"
        )
    checkpoint = load_checkpoint(start)
    check_same_architecture(checkpoint, source.architecture, name=start)
    return transfer_spec(checkpoint, spec)


def _transfer_lines(config: TrainingConfig, source: ArchitectureSource, data: DataSet) -> Iterator[str]:
    """Describes which weights of the checkpoint are used; raises ValueError if they do not fit."""
    if config.training.start is not None:
        with torch.device("meta"):
            network = build(source.architecture, config.network)
        checkpoint = load_checkpoint(config.training.start)
        yield f"start: {config.training.start}, {describe_transfer(network, checkpoint, data.class_names)}"


def _check_fits(config: TrainingConfig, data: DataSet) -> None:
    spec = config.network
    needed = {"num_classes": len(data.class_names), "in_channels": data.num_channels}
    for name, wanted in needed.items():
        if getattr(spec, name) != wanted:
            raise ValueError(f"network.{name} must be {wanted}, as the images have it, got {getattr(spec, name)}")
    crop = config.recipe.test_crop or spec.image_size
    if crop > min(data.image_size):
        raise ValueError(
            f"images of {data.image_size[0]} pixels are too small for crops of {crop}: data.image_size must be "
            f"{crop} or more, as network.image_size or recipe.test_crop asks for"
        )
