"""`nas train`: resolves a configuration, opens or resumes the training's folder, and trains to the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.kinds import TRAINING
from experiments.config.resolve import ConfigRequest
from experiments.config.training_config import TrainingConfig
from experiments.runs.live_training import EpochTable
from experiments.runs.printing import say
from experiments.runs.run_folder import Binding, RunFolder
from experiments.training.curves import draw_training
from experiments.training.inputs import NetworkRequest, load_training, resolve_training
from nas.data.data_set import DataSet
from nas.models.reference.descriptions import Buildable
from nas.training.run import NETWORK_FILE, TrainingCallbacks, TrainingPlan, read_records, read_result, run_training

CURVES_FILE = "curves.png"


def run_train(request: ConfigRequest, network: NetworkRequest, out: Path | None, console: Console) -> int:
    """Trains a network, or resumes the training in the folder, ``runs/NAME`` if None; returns the exit code, 0."""
    folder = RunFolder(out or request.default_folder)
    document = resolve_training(TRAINING, request, network, folder)
    data, config, architecture = load_training(TrainingConfig, document, request, network, folder, console)
    table = EpochTable(config.recipe.epochs, console)
    result = train_folder(folder, config, architecture, data, table, accept_data=request.accept_data)
    for line in result_lines(folder.path, result):
        say(console, line)
    return 0


def train_folder(
    run: RunFolder,
    config: TrainingConfig,
    architecture: Buildable,
    data: DataSet,
    table: EpochTable,
    *,
    accept_data: bool = False,
) -> dict[str, Any]:
    """Trains in a folder from its last checkpoint, draws the curves, and returns what ``result.json`` holds.

    With `accept_data` a training is resumed although its images have changed.

    Raises:
        ValueError: If the folder holds another run.
        RuntimeError: If the folder is in use or cannot be written, or the training fails.
    """
    folder, settings = run.path, config.training
    plan = TrainingPlan(
        architecture,
        config.fidelity,
        settings.seed,
        settings.start,
        settings.teacher,
        checkpoint_minutes=settings.checkpoint_minutes,
    )
    with Binding(run, config, architecture, data=data.report, accept_data=accept_data).hold() as notices:
        for notice in notices:
            table.say(notice)
        if (result := read_result(folder)) is None:
            result = _train(folder, plan, config, data, table)
        if not (folder / CURVES_FILE).is_file():
            draw_training(read_records(folder), folder / CURVES_FILE, title=folder.name)
    return result


def result_lines(folder: Path, result: Mapping[str, Any]) -> list[str]:
    """The result of a training as lines of text."""
    lines = [f"{result['num_parameters']:,} parameters, {result['num_multiply_adds'] / 1e6:,.1f} M multiply-adds"]
    for split in ("validation", "test"):
        for name, score in (result[split] or {}).items():
            lines.append(f"{split}, {name}: top-1 {score['top1']:.2%}, top-5 {score['top5']:.2%}")
    if "untested" in result:
        lines.append(f"not tested: {result['untested']}")
    lines.append(f"{result['images_per_second']:,.1f} images per second, {result['seconds']:,.1f} s")
    lines.append(f"{folder / NETWORK_FILE} holds the weights ({result['chosen']}); try: nas export {folder} --out best")
    return lines


def _train(
    folder: Path, plan: TrainingPlan, config: TrainingConfig, data: DataSet, table: EpochTable
) -> dict[str, Any]:
    with table:
        if config.workers.is_local:
            return run_training(plan, data, folder, TrainingCallbacks(table.after_step, table.after_epoch))
        from workers.jobs.data_parallel import train_in_parallel

        return train_in_parallel(plan, folder, config.workers.parallel(), table.after_epoch)
