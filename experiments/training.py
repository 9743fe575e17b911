"""`nas train`: resolves a configuration, opens or continues the training's folder, and trains to the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.arch import find_architecture
from experiments.config_file import TRAINING, apply_setting, load_document
from experiments.run_folder import RunFolder, differences
from experiments.trained import find_trained_file
from experiments.training_config import TrainingConfig, parse_training
from experiments.training_curves import draw_training
from experiments.training_live import EpochTable
from nas.checkpoint import load_checkpoint
from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.lock import FileLock
from nas.models.build import Buildable, description_from_json
from nas.training.full import METRICS_FILE, NETWORK_FILE, TrainingPlan, Watch, read_result, run_training
from nas.training.teacher import TORCHVISION
from nas.training.transfer import check_same_architecture, transfer_spec
from nas.whole_file import write_text

ARCHITECTURE_FILE = "architecture.json"
CURVES_FILE = "curves.png"
LOCK_FILE = ".lock"

Document = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of the command line; None leaves a setting as the configuration has it.

    Attributes:
        arch: what to train, see `experiments.arch.find_architecture`; None takes that of `start`, or of the folder.
        out: the folder; None means ``runs/<name of the configuration>``.
        data: the folder of the images.
        start: a checkpoint to start from, a run or RUN@k.
        teacher: whose answers are distilled.
        seed: of the training.
        workers: processes that train together.
        address: of a running Ray cluster.
        settings: texts of the form ``section.key=value``; they come last.
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


def run_train(source: str, options: TrainOptions, console: Console) -> int:
    """Trains a network, or continues the training in the folder.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package.
        options: what differs from it.
        console: where progress is shown.

    Returns:
        The exit code: 0.

    Raises:
        ValueError: if the configuration is not valid, or the folder holds another training.
        RuntimeError: if the folder is in use or cannot be written, or the training fails.
        OSError: if a file cannot be read.
    """
    folder = RunFolder(options.out or Path("runs") / Path(source).stem)
    document = _adopt(resolve(source, options), folder.stored_document())
    data, config, architecture = load_training(document, options, folder, console)
    with open_training(folder.path, config, architecture):
        result = read_result(folder.path)
        if result is None:
            result = train_folder(folder.path, plan_of(config, architecture), config, data, console)
    _say_result(folder.path, result, console)
    return 0


@contextmanager
def open_training(path: Path, config: TrainingConfig, architecture: Buildable) -> Iterator[None]:
    """Makes the folder of a training or checks that it holds this one, and keeps other processes out of it.

    Raises:
        ValueError: if it holds another training.
        RuntimeError: if another process uses it.
    """
    folder = RunFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path / LOCK_FILE):
        _check_same(folder, config, architecture)
        if read_result(path) is None:
            folder.write_config(config.to_document())
            folder.write_environment()
            write_text(path / ARCHITECTURE_FILE, json.dumps(architecture.to_json(), indent=2) + "\n")
        yield


def load_training(
    document: Document, options: TrainOptions, folder: RunFolder, console: Console
) -> tuple[DataSet, TrainingConfig, Buildable]:
    """Loads what is trained and the images; sets what the configuration leaves to them.

    Args:
        document: the configuration, section by section; completed in place.
        options: say what to train.
        folder: of the training, which may know that too.
        console: where it is shown that images are read.

    Raises:
        ValueError: if the configuration is not valid, or network, images and weights to start from do not fit.
    """
    parse_training(document)  # bad settings are said before anything is read
    architecture = _architecture(options, document, folder)
    data, config = _load(document, architecture, console)
    return data, config, architecture


def resolve(source: str, options: TrainOptions) -> Document:
    """The configuration with the options of the command line."""
    document = load_document(source, TRAINING)
    changes = {
        ("data", "root"): None if options.data is None else str(options.data.resolve()),
        ("training", "start"): None if options.start is None else _weights(options.start),
        ("training", "teacher"): None if options.teacher is None else _weights(options.teacher),
        ("training", "seed"): options.seed,
        ("workers", "num_workers"): options.workers,
        ("workers", "address"): options.address,
    }
    for (section, key), value in changes.items():
        if value is not None:
            document[section][key] = value
    if options.teacher is not None:
        document["recipe"].setdefault("distillation", 0.5)
    for setting in options.settings:
        apply_setting(document, setting)
    return document


def plan_of(config: TrainingConfig, architecture: Buildable) -> TrainingPlan:
    """What decides what comes of a training."""
    settings = config.training
    return TrainingPlan(architecture, config.fidelity, settings.seed, settings.start, settings.teacher)


def train_folder(
    folder: Path, plan: TrainingPlan, config: TrainingConfig, data: DataSet, console: Console
) -> dict[str, Any]:
    """Trains in a folder from where it is, shows the epochs, and draws the curves."""
    workers = config.workers
    with EpochTable(plan.fidelity.recipe.epochs, console) as table:
        if workers.num_workers == 1 and workers.address is None:
            result = run_training(plan, data, folder, Watch(table.after_step, table.after_epoch))
        else:
            from workers.data_parallel import ParallelSettings, train_in_parallel

            settings = ParallelSettings(workers.num_workers, workers.cpus, workers.gpus, workers.address)
            result = train_in_parallel(plan, folder, settings, table.after_epoch)
    records = [json.loads(line) for line in (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()]
    draw_training(records, folder / CURVES_FILE, title=folder.name)
    return result


def _weights(text: str) -> str:
    """The file of weights that a text stands for, as the training's folder names it."""
    return text if text.startswith(TORCHVISION) else str(find_trained_file(text).resolve())


def _adopt(document: Document, stored: Mapping[str, Any] | None) -> Document:
    """Takes over from the folder where the images and the weights to start from lie, if they are not named again."""
    for section, key in (("data", "root"), ("training", "start"), ("training", "teacher")):
        value = (stored or {}).get(section, {}).get(key)
        if value is not None and document[section].get(key) is None:
            document[section][key] = value
    return document


def _architecture(options: TrainOptions, document: Document, folder: RunFolder) -> Buildable:
    start = document["training"].get("start")
    if options.arch is not None:
        architecture = find_architecture(options.arch).architecture
        if start is not None:
            check_same_architecture(load_checkpoint(start), architecture, name=start)
        return architecture
    if start is not None:
        return load_checkpoint(start).network.architecture
    path = folder.path / ARCHITECTURE_FILE
    if not path.is_file():
        raise ValueError("what is trained must be named with --arch, or --from a checkpoint")
    return description_from_json(json.loads(path.read_text(encoding="utf-8")))


def _load(document: Document, architecture: Buildable, console: Console) -> tuple[DataSet, TrainingConfig]:
    """Loads the images, and sets what the configuration leaves to them and to the weights to start from."""
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
    config = parse_training(document)
    if config.training.start is not None:
        checkpoint = load_checkpoint(config.training.start)
        check_same_architecture(checkpoint, architecture, name=config.training.start)
        spec = transfer_spec(checkpoint, config.fidelity.network)
        config = replace(config, fidelity=replace(config.fidelity, network=spec))
    _check_fits(config, data)
    return data, config


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


def _check_same(folder: RunFolder, config: TrainingConfig, architecture: Buildable) -> None:
    stored = folder.stored_document()
    if stored is None:
        return
    try:
        former = parse_training(stored).to_document()
    except ValueError as error:
        raise ValueError(f"{folder.config}: {error}") from None
    different = differences(former, config.to_document())
    path = folder.path / ARCHITECTURE_FILE
    if path.is_file():
        known = description_from_json(json.loads(path.read_text(encoding="utf-8"))).fingerprint
        if known != architecture.fingerprint:
            different.insert(
                0, f"the architecture {known[:12]} in the folder, {architecture.fingerprint[:12]} asked for"
            )
    if different:
        raise ValueError(
            f"{folder.path} holds a training with other settings ({'; '.join(different)}); choose another --out"
        )


def _say_result(folder: Path, result: Mapping[str, Any], console: Console) -> None:
    lines = [f"{result['num_parameters']:,} parameters, {result['num_multiply_adds'] / 1e6:,.1f} M multiply-adds"]
    for split in ("validation", "test"):
        for name, score in (result[split] or {}).items():
            lines.append(f"{split}, {name}: top-1 {score['top1']:.2%}, top-5 {score['top5']:.2%}")
    if "untested" in result:
        lines.append(f"not tested: {result['untested']}")
    lines.append(f"{result['images_per_second']:,.1f} images a second, {result['seconds']:,.1f} s")
    lines.append(f"{folder / NETWORK_FILE} holds the weights ({result['chosen']}); try: nas export {folder} --out best")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
