"""`nas train`: resolves a configuration, opens or continues the training's folder, and trains to the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.training_config import TrainingConfig, parse_training
from experiments.runs.live_training import EpochTable
from experiments.runs.run_folder import RunFolder, differences
from experiments.training.curves import draw_training
from experiments.training.inputs import ARCHITECTURE_FILE, TrainOptions, load_training, resolve, stored_architecture
from nas.data.data_set import DataSet
from nas.files.atomic_write import write_text
from nas.files.lock import FileLock
from nas.models.build import Buildable
from nas.training.run import (
    METRICS_FILE,
    NETWORK_FILE,
    RESULT_FILE,
    STATE_FILE,
    TrainingCallbacks,
    TrainingPlan,
    read_result,
    run_training,
)

CURVES_FILE = "curves.png"
LOCK_FILE = ".lock"


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
    document = resolve(source, options, folder.stored_document())
    data, config, architecture = load_training(document, options, folder, console)
    with open_training(folder.path, config, architecture):
        result = read_result(folder.path)
        if result is None:
            table = EpochTable(config.fidelity.recipe.epochs, console)
            result = train_folder(folder.path, plan_of(config, architecture), config, data, table)
    _say_result(folder.path, result, console)
    return 0


@contextmanager
def open_training(path: Path, config: TrainingConfig, architecture: Buildable) -> Iterator[None]:
    """Makes the folder of a training or checks that it holds this one, and keeps other processes out of it.

    Raises:
        ValueError: if it holds another training.
        RuntimeError: if another process uses it, or it cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path / LOCK_FILE):
        if has_begun(path):
            _check_same(RunFolder(path), config, architecture)
        if read_result(path) is None:
            _describe(path, config, architecture)
        yield


def has_begun(path: Path) -> bool:
    """Whether an epoch is done: only then is a folder bound to its training."""
    return (path / STATE_FILE).exists() or (path / RESULT_FILE).exists()


def _describe(path: Path, config: TrainingConfig, architecture: Buildable) -> None:
    folder = RunFolder(path)
    try:
        folder.write_config(config.to_document())
        folder.write_environment()
        write_text(path / ARCHITECTURE_FILE, json.dumps(architecture.to_json(), indent=2) + "\n")
    except OSError as error:
        raise RuntimeError(f"the folder {path} cannot be written: {error.strerror or error}") from None


def plan_of(config: TrainingConfig, architecture: Buildable) -> TrainingPlan:
    """What decides what comes of a training."""
    settings = config.training
    return TrainingPlan(architecture, config.fidelity, settings.seed, settings.start, settings.teacher)


def train_folder(
    folder: Path, plan: TrainingPlan, config: TrainingConfig, data: DataSet, table: EpochTable
) -> dict[str, Any]:
    """Trains in a folder from where it is, shows the epochs in a table, and draws the curves."""
    workers = config.workers
    with table:
        if workers.num_workers == 1 and workers.address is None:
            result = run_training(plan, data, folder, TrainingCallbacks(table.after_step, table.after_epoch))
        else:
            from workers.jobs.data_parallel import ParallelSettings, train_in_parallel

            settings = ParallelSettings(workers.num_workers, workers.cpus, workers.gpus, workers.address)
            result = train_in_parallel(plan, folder, settings, table.after_epoch)
    records = [json.loads(line) for line in (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()]
    draw_training(records, folder / CURVES_FILE, title=folder.name)
    return result


def _check_same(folder: RunFolder, config: TrainingConfig, architecture: Buildable) -> None:
    stored = folder.stored_document()
    if stored is None:
        return
    try:
        former = parse_training(stored).to_document()
    except ValueError as error:
        raise ValueError(f"{folder.config}: {error}") from None
    different = differences(former, config.to_document())
    known = stored_architecture(folder.path)
    if known is not None and known.fingerprint != architecture.fingerprint:
        different.insert(
            0, f"the architecture {known.fingerprint[:12]} in the folder, {architecture.fingerprint[:12]} asked for"
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
