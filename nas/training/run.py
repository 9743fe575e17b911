"""Full training run: epochs with validation and a checkpoint after each, then a single test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.data.data_set import DataSet, Split
from nas.fidelity import Fidelity
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object, read_text
from nas.files.strict_json import parse_json
from nas.models.build import AnyNetwork
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.models.complexity import measure
from nas.models.reference.descriptions import Buildable
from nas.training.augmentation import num_batches
from nas.training.cuda_graph import graph_obstacle
from nas.training.device import choose_device
from nas.training.evaluation import center_crop, evaluate
from nas.training.initial import build_initial
from nas.training.loop import Training, start_training
from nas.training.parallel import current_members
from nas.training.results import StepReport, Timer, peak_memory
from nas.training.state import TrainingState, check_room, resume_state, write_state
from nas.training.teacher import load_teacher
from nas.training.transfer import check_same_architecture, transfer_weights

STATE_FILE = "state.safetensors"
METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"
NETWORK_FILE = "network.safetensors"
RAW_WEIGHTS, EMA_WEIGHTS = "raw", "ema"
"""Names of the two networks in results: the trained weights, and their moving average."""

Record = Mapping[str, Any]
"""Metrics of an epoch, as plain data."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that determines the outcome of a training run.

    Attributes:
        seed: seed of initial weights, batch order, augmentation and dropout.
        start: checkpoint to start from; None starts from random weights.
        teacher: see `nas.training.teacher.load_teacher`; None for a recipe without distillation.
        checkpoint_minutes: time between checkpoints within an epoch; None writes them after each epoch only.
    """

    architecture: Buildable
    fidelity: Fidelity
    seed: int = 0
    start: str | None = None
    teacher: str | None = None
    checkpoint_minutes: float | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for plans that can resume each other's checkpoints."""
        return f"{self.architecture.fingerprint}-{self.fidelity.fingerprint}-{self.seed}"

    @property
    def crop(self) -> int:
        """Side of the center crop used in validation and test, in pixels."""
        return self.fidelity.recipe.test_crop or self.fidelity.network.image_size


@dataclass(frozen=True, slots=True)
class TrainingCallbacks:
    """Callbacks that report the progress of a training run.

    Attributes:
        after_step: called after each step.
        after_epoch: called with the metrics of all epochs so far, including those of earlier sessions.
    """

    after_step: Callable[[StepReport], None] = field(default=lambda _: None)
    after_epoch: Callable[[list[Record]], None] = field(default=lambda _: None)


def run_training(
    plan: TrainingPlan, data: DataSet, out: Path, callbacks: TrainingCallbacks = TrainingCallbacks()
) -> dict[str, Any]:
    """Trains from the folder's checkpoint, if any, to the last epoch, and tests.

    The checkpoint in the folder is replaced atomically after each epoch, and within it every
    `plan.checkpoint_minutes`, so that the same call resumes the run after an
    interruption; with one worker on a CPU, the final weights are bit-identical. Validation chooses between the weights
    and their moving average; afterwards the test images are loaded once.

    Args:
        plan: what to train.
        data: data set described by `plan.fidelity.data`.
        out: an existing folder.
        callbacks: progress callbacks, called by the first worker only, which also writes the returned `result.json`.

    Raises:
        DivergedError: if the loss is not finite.
        ValueError: if the plan does not fit the data set, the folder's checkpoint, or the checkpoint to start from.
        RuntimeError: if there is not enough disk space for checkpoints, or the device is not available.
    """
    center_crop(data.validation, plan.crop)  # fails early if the crop is too large
    recipe, size = plan.fidelity.recipe, plan.fidelity.network.image_size
    teacher = None if plan.teacher is None else load_teacher(plan.teacher, data)
    network = _build(plan, data)
    first = current_members().rank == 0
    with start_training(network, data, recipe, seed=plan.seed, image_size=size, teacher=teacher) as training:
        records = _restore(training, plan, out)
        _check_room(network, plan, out)
        if first:
            _write_metrics(out, records)
            callbacks.after_epoch(records)
        while training.num_epochs < recipe.epochs:
            save = partial(_write, training, plan, records, out)
            records = [*records, _run_epoch(training, plan, data, callbacks, save=save if first else None)]
            if first:
                _write(training, plan, records, out)
                callbacks.after_epoch(records)
        return _finish(training, plan, data, records, out)


def read_result(out: Path) -> dict[str, Any] | None:
    """Reads the result of a run; returns None if it is unfinished, raises ValueError if the file is invalid."""
    if not (path := out / RESULT_FILE).exists():
        return None
    try:
        value = read_json_object(path)
        value["num_parameters"]  # every result has it
    except (ValueError, KeyError) as error:
        fault = error if isinstance(error, ValueError) else f"{path} must hold the result of a training"
        raise ValueError(f"{fault}; delete it and rerun the command to recreate it") from None
    return value


def read_records(out: Path) -> list[Record]:
    """The records in ``metrics.jsonl`` of a training's folder; none if there is no such file, ValueError if damaged."""
    path = out / METRICS_FILE
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        return []
    records: list[Mapping[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(dict(parse_json(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    return records


def _build(plan: TrainingPlan, data: DataSet) -> AnyNetwork:
    if plan.start is None and plan.fidelity.network.norm == "frozen_bn":
        raise ValueError("network.norm frozen_bn needs the statistics of a trained network, got none to start from")
    network = build_initial(plan.architecture, plan.fidelity.network, plan.fidelity.recipe, seed=plan.seed)
    if plan.start is not None:
        checkpoint = load_checkpoint(plan.start)
        check_same_architecture(checkpoint, plan.architecture, name=plan.start)
        transfer_weights(network, checkpoint, data.class_names)
    return network


def _restore(training: Training, plan: TrainingPlan, out: Path) -> list[Record]:
    """Resumes from the folder's checkpoint, if any; returns the records of its epochs."""
    state = resume_state(out / STATE_FILE, [plan.fingerprint])
    if state is None:
        return []
    training.restore(state)
    return list(state.values["records"])


def _check_room(network: nn.Module, plan: TrainingPlan, out: Path) -> None:
    recipe = plan.fidelity.recipe
    copies = 2 + (recipe.optimizer == "rmsprop") + (recipe.ema_decay > 0)
    check_room(out, copies * sum(weight.numel() * weight.element_size() for weight in network.state_dict().values()))


def _run_epoch(
    training: Training,
    plan: TrainingPlan,
    data: DataSet,
    callbacks: TrainingCallbacks,
    *,
    save: Callable[[], None] | None,
) -> Record:
    number, num_steps, now = training.num_epochs + 1, training.steps_per_epoch, training.progress
    num_images = _images_per_epoch(plan, data) // num_steps
    timer = Timer(plan.checkpoint_minutes)

    def after_step(done: int) -> None:
        if save is not None and done < num_steps and timer.is_due():
            save()
        callbacks.after_step(StepReport(number, done, num_steps, num_images, now.seconds, now.wait_seconds))

    result = training.run_epoch(after_step)
    started = time.perf_counter()
    scores = _evaluate(training, plan, data.validation, data)
    seconds = time.perf_counter() - started
    damaged = {"num_damaged": training.num_damaged} if training.num_damaged else {}
    speed = {"images_per_second": num_images * num_steps / result.seconds, **peak_memory()}
    return {"epoch": number, **asdict(result), **speed, **damaged, "validation": scores, "validation_seconds": seconds}


def _evaluate(training: Training, plan: TrainingPlan, split: Split, data: DataSet) -> dict[str, dict[str, float]]:
    """Evaluates the weights, and their moving average if there is one."""
    networks, recipe = _networks(training), plan.fidelity.recipe
    return {name: evaluate(each, split, data, recipe, crop=plan.crop).to_json() for name, each in networks.items()}


def _networks(training: Training) -> dict[str, nn.Module]:
    if training.average is None:
        return {RAW_WEIGHTS: training.network}
    return {RAW_WEIGHTS: training.network, EMA_WEIGHTS: training.average.module}


def _write(training: Training, plan: TrainingPlan, records: list[Record], out: Path) -> None:
    state = training.state()
    values = {**state.values, "plan": plan.fingerprint, "records": records}
    write_state(out / STATE_FILE, TrainingState(state.tensors, values))
    _write_metrics(out, records)


def _write_metrics(out: Path, records: list[Record]) -> None:
    """Rewrites the metrics of all epochs, one per line, so that they match the checkpoint after an interruption."""
    write_text(out / METRICS_FILE, "".join(json.dumps(record) + "\n" for record in records))


def _finish(training: Training, plan: TrainingPlan, data: DataSet, records: list[Record], out: Path) -> dict[str, Any]:
    validation = records[-1]["validation"]
    chosen = max(validation, key=lambda name: (validation[name]["top1"], name == RAW_WEIGHTS))
    try:
        split = data.load_test()
    except ValueError as error:
        tested: dict[str, Any] = {"test": None, "untested": str(error)}
    else:
        tested = {"test": _evaluate(training, plan, split, data)}
    result = {"chosen": chosen, "validation": validation, **tested, **_describe(plan, data, records)}
    if current_members().rank == 0:
        network: Any = _networks(training)[chosen]
        accuracy, evaluation = validation[chosen]["top1"], _evaluation(plan, result)
        save_checkpoint(out / NETWORK_FILE, network, data=data, accuracy=accuracy, evaluation=evaluation)
        write_text(out / RESULT_FILE, json.dumps(result, indent=2) + "\n")
    return result


def _evaluation(plan: TrainingPlan, result: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how the network was trained and tested, so that a checkpoint suffices to reproduce the test."""
    chosen, tests, recipe = result["chosen"], result["test"], plan.fidelity.recipe
    return {
        "data": plan.fidelity.data.name,
        "resize": plan.fidelity.data.image_size,
        "crop": plan.crop,
        **{name: getattr(recipe, name) for name in ("batch_size", "precision", "epochs")},
        "recipe": plan.fidelity.to_json()["recipe"],
        "fine_tuned": plan.start is not None,
        **({"streamed": True} if plan.fidelity.data.streamed else {}),
        "seconds": result["seconds"],
        "device": result["device"],
        "weights": chosen,
        "test": None if tests is None else tests[chosen],
        **({"images": result["images"]} if "images" in result else {}),
    }


def _describe(plan: TrainingPlan, data: DataSet, records: list[Record]) -> dict[str, Any]:
    complexity = measure(plan.architecture, plan.fidelity.network)
    training_seconds = sum(record["seconds"] for record in records)
    recipe = plan.fidelity.recipe
    per_epoch = _images_per_epoch(plan, data)
    device = choose_device(recipe)
    obstacle = graph_obstacle(recipe, device, num_members=current_members().count)
    return {
        "architecture": plan.architecture.fingerprint,
        "num_parameters": complexity.num_parameters,
        "num_multiply_adds": complexity.num_multiply_adds,
        "images_per_second": per_epoch * len(records) / training_seconds,
        "seconds": training_seconds + sum(record["validation_seconds"] for record in records),
        "num_epochs": len(records),
        "num_workers": current_members().count,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cuda_graph": "used" if obstacle is None else f"not used: {obstacle}",
        "seed": plan.seed,
        "start": plan.start,
        "teacher": plan.teacher,
        **({} if data.report is None else {"images": data.report.counts}),
        **plan.fidelity.to_json(),
    }


def _images_per_epoch(plan: TrainingPlan, data: DataSet) -> int:
    batch_size, number = plan.fidelity.recipe.batch_size, len(data.train)
    return num_batches(number, batch_size) * min(batch_size, number)
