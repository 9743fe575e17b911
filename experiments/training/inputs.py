"""What a training starts from: its settings from file, folder and command line, then network and images that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from experiments.architectures.count import count_network, network_line
from experiments.architectures.find import ArchitectureSource, NetworkOptions, find_architecture, find_preset, set_stack
from experiments.architectures.trained import find_trained_file
from experiments.config.config_file import TRAINING, apply_setting, load_document
from experiments.config.sections import dump_settings
from experiments.config.training_config import TrainingConfig, parse_training
from experiments.runs.run_folder import RunFolder
from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.models.build import Buildable, build, description_from_json
from nas.models.checkpoint import load_checkpoint
from nas.training.teacher import TORCHVISION, load_teacher
from nas.training.transfer import check_same_architecture, describe_transfer, transfer_spec

ARCHITECTURE_FILE = "architecture.json"
_OF_IMAGES = ("num_classes", "in_channels")

Document = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of the command line; None leaves a setting as the configuration has it.

    Attributes:
        arch: what to train, see `experiments.architectures.find.find_architecture`; None takes that of `start`, or
            what the folder trains, with the network around it.
        out: the folder; None means ``runs/<name of the configuration>``.
        data: the folder of the images.
        start: a checkpoint to start from, a run or RUN@k.
        teacher: whose answers are distilled.
        seed: of the training.
        workers: processes that train together.
        address: of a running Ray cluster.
        settings: texts of the form ``section.key=value``; they come after all but the stack.
        network: the network around the cells; a preset replaces the configuration's.
    """

    arch: str | None = None
    out: Path | None = None
    data: Path | None = None
    start: str | None = None
    teacher: str | None = None
    seed: int | None = None
    workers: int | None = None
    address: str | None = None
    settings: tuple[str, ...] = ()
    network: NetworkOptions = NetworkOptions()  # noqa: RUF009 - it is immutable


def resolve(source: str, options: TrainOptions, stored: Mapping[str, Any] | None = None) -> Document:
    """The configuration with the options of the command line.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package.
        options: what differs from it.
        stored: what the folder was made with, if it holds a training: it knows where images and weights to start from
            lie, and the network around the architecture, unless they are named again.

    Raises:
        ValueError: if there is no such configuration, or an option stands for nothing.
    """
    document = load_document(source, TRAINING)
    known = {name: value for name, value in (stored or {}).items() if isinstance(value, dict)}
    if options.network.preset is not None:
        document["network"] = _preset_section(options.network.preset)
    elif options.arch is None and "network" in known:
        document["network"] = dict(known["network"])
    for (section, key), value in _changes(options).items():
        if value is not None:
            document[section][key] = value
    if options.teacher is not None:
        document["recipe"].setdefault("distillation", 0.5)
    for setting in options.settings:
        apply_setting(document, setting)
    return _adopt(document, known)


def load_training(
    document: Document, options: TrainOptions, folder: RunFolder, console: Console
) -> tuple[DataSet, TrainingConfig, Buildable]:
    """Loads what is trained and the images; sets what the configuration leaves to them, and says which network it is.

    Args:
        document: the configuration, section by section; completed in place.
        options: say what to train.
        folder: of the training, which may know that too.
        console: where it is shown that images are read.

    Raises:
        ValueError: if the configuration is not valid, or network, images and weights to start from do not fit.
    """
    parse_training(document)  # bad settings are said before anything is read
    source = _find_source(options, document, folder)
    data, config = _load(document, console)
    spec = _fit_network(config, source, options.network)
    config = replace(config, fidelity=replace(config.fidelity, network=spec))
    _check_fits(config, data)
    if config.training.teacher is not None:
        load_teacher(config.training.teacher, data)  # one that does not fit is said before there is a folder
    budget = options.network.budget
    counted = count_network(source, spec, budget="" if budget is None else str(budget))
    for line in (f"network: {network_line(counted)}", *_transfer_lines(config, source, data)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return data, config, source.architecture


def _adopt(document: Document, known: Mapping[str, Any]) -> Document:
    """Takes over from the folder where the images and the weights to start from lie, if they are not named again."""
    for section, key in (("data", "root"), ("training", "start"), ("training", "teacher")):
        value = known.get(section, {}).get(key)
        if value is not None and document[section].get(key) is None:
            document[section][key] = value
    return document


def _preset_section(name: str) -> dict[str, Any]:
    """The section `network` of a preset, but for what the images decide."""
    return {key: value for key, value in dump_settings(find_preset(name)).items() if key not in _OF_IMAGES}


def _changes(options: TrainOptions) -> dict[tuple[str, str], Any]:
    return {
        ("data", "root"): None if options.data is None else str(options.data.resolve()),
        ("training", "start"): None if options.start is None else _weights(options.start),
        ("training", "teacher"): None if options.teacher is None else _weights(options.teacher),
        ("training", "seed"): options.seed,
        ("workers", "num_workers"): options.workers,
        ("workers", "address"): options.address,
        ("network", "image_size"): options.network.image_size,
        ("network", "num_classes"): options.network.classes,
    }


def _weights(text: str) -> str:
    """The file of weights that a text stands for, as the training's folder names it."""
    return text if text.startswith(TORCHVISION) else str(find_trained_file(text).resolve())


def _find_source(options: TrainOptions, document: Document, folder: RunFolder) -> ArchitectureSource:
    start = document["training"].get("start")
    if options.arch is not None:
        source = find_architecture(options.arch)
        if start is not None:
            check_same_architecture(load_checkpoint(start), source.architecture, name=start)
        return source
    if start is not None:
        return ArchitectureSource(start, load_checkpoint(start).network.architecture)
    stored = stored_architecture(folder.path)
    if stored is None:
        raise ValueError("what is trained must be named with --arch, or --from a checkpoint")
    return ArchitectureSource(str(folder.path), stored)


def stored_architecture(folder: Path) -> Buildable | None:
    """What the folder of a training says that it trains; None if it says nothing, ValueError if it cannot be read."""
    path = folder / ARCHITECTURE_FILE
    if not path.is_file():
        return None
    try:
        return description_from_json(parse_json(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path} does not describe an architecture: {error}") from None


def _load(document: Document, console: Console) -> tuple[DataSet, TrainingConfig]:
    """Loads the images, and sets what the configuration leaves to them."""
    config = parse_training(document)
    with console.status(f"reading {config.fidelity.data.name}"):
        data = load_data(config.fidelity.data)
    height, width = data.image_size
    if height != width:
        raise ValueError(f"images must be squares, got {width} x {height} pixels; set data.image_size")
    network = document["network"]
    from_data = {"num_classes": len(data.class_names), "in_channels": data.num_channels, "image_size": height}
    for key, value in from_data.items():
        network.setdefault(key, value)
    return data, parse_training(document)


def _fit_network(config: TrainingConfig, source: ArchitectureSource, options: NetworkOptions) -> NetworkSpec:
    """The network around the cells: that of the weights to start from, else that of the settings with the stack."""
    start, spec = config.training.start, config.fidelity.network
    if start is None:
        return set_stack(spec, source, options)
    if replace(options, image_size=None, classes=None).given:
        raise ValueError(
            f"the network of {start} is trained as it is: --preset, --stack, --parameters and --multiply-adds cannot "
            "stand beside --from"
        )
    checkpoint = load_checkpoint(start)
    check_same_architecture(checkpoint, source.architecture, name=start)
    return transfer_spec(checkpoint, spec)


def _transfer_lines(config: TrainingConfig, source: ArchitectureSource, data: DataSet) -> Iterator[str]:
    """What the weights to start from give, if there are any; raises ValueError if they do not fit."""
    if config.training.start is not None:
        with torch.device("meta"):
            network = build(source.architecture, config.fidelity.network)
        checkpoint = load_checkpoint(config.training.start)
        yield f"start: {config.training.start}, {describe_transfer(network, checkpoint, data.class_names)}"


def _check_fits(config: TrainingConfig, data: DataSet) -> None:
    spec = config.fidelity.network
    needed = {"num_classes": len(data.class_names), "in_channels": data.num_channels}
    for name, wanted in needed.items():
        if getattr(spec, name) != wanted:
            raise ValueError(f"network.{name} must be {wanted}, as the images have it, got {getattr(spec, name)}")
    crop = config.fidelity.recipe.test_crop or spec.image_size
    if crop > min(data.image_size):
        raise ValueError(
            f"images of {data.image_size[0]} pixels are too small for crops of {crop}: data.image_size must be "
            f"{crop} or more, as network.image_size or recipe.test_crop asks for"
        )
