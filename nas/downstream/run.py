"""Train a detector or segmenter in a folder, with records, evaluations and checkpoints to resume from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.architecture import fingerprint_json
from nas.downstream.backbone import weights_digest
from nas.downstream.recipe import RUN_SETTINGS, DenseRecipe
from nas.downstream.training import DenseImages, DenseTraining, start_dense
from nas.files.atomic_write import write_text
from nas.later_settings import plain
from nas.training.device import choose_device
from nas.training.parallel import current_members
from nas.training.run import METRICS_FILE, RESULT_FILE, STATE_FILE, Record
from nas.training.state import WITHOUT_IMAGES, TrainingState, check_room, resume_state, write_state


def training_fingerprint(parts: Mapping[str, Any], recipe: DenseRecipe, start: str | None) -> str:
    """Returns 32 hexadecimal digits that are equal for trainings that compute the same.

    Paths of images and weights, and `nas.downstream.recipe.RUN_SETTINGS`, make no difference. `parts` are plain data of
    the network and the images; for `start` see `nas.downstream.backbone.start_backbone`.
    """
    settings = {name: value for name, value in plain(recipe).items() if name not in RUN_SETTINGS}
    return fingerprint_json({**parts, "recipe": settings, "start": None if start is None else weights_digest(start)})


@dataclass(frozen=True, slots=True)
class DenseTask:
    """A network to train, and how it is evaluated and saved.

    Attributes:
        fingerprints: see `training_fingerprint`. The first is written to checkpoints; checkpoints with one of the
            others, which earlier versions wrote, can be resumed too.
        network: see `nas.downstream.training.DenseTraining`, as for `images`.
        evaluate: returns the scores of the network in evaluation mode, as plain data, the same in all workers.
        save: writes the trained network into the folder.
        description: plain data about the training for `result.json`.
        without_images: fingerprint of everything but the images.
        accept_images: whether checkpoints of trainings that differ in nothing but the images are resumed.
    """

    fingerprints: tuple[str, ...]
    network: nn.Module
    images: DenseImages
    evaluate: Callable[[nn.Module], Mapping[str, Any]]
    save: Callable[[Path], None]
    description: Mapping[str, Any] = field(default_factory=dict)
    without_images: str = ""
    accept_images: bool = False


@dataclass(frozen=True, slots=True)
class DenseWatch:
    """Callbacks that get the number of finished iterations, and all records so far, those of earlier sessions too."""

    after_iteration: Callable[[int], None] = field(default=lambda _: None)
    after_record: Callable[[list[Record]], None] = field(default=lambda _: None)


SILENT = DenseWatch()


def run_dense(
    task: DenseTask, recipe: DenseRecipe, out: Path, *, seed: int, watch: DenseWatch = SILENT
) -> dict[str, Any]:
    """Trains from the folder's checkpoint, or from the start without one, to the end, and evaluates.

    Every `recipe.checkpoint_iterations` the checkpoint is replaced atomically, so the same call resumes after a kill at
    any time. With one worker on a CPU the final weights are bit-identical to those of an uninterrupted run.

    `watch` is called in the first worker only.

    Returns:
        The contents of `result.json`, which the first worker writes: ``evaluation``, the last value of `task.evaluate`,
        counts, times, and `task.description`.

    Raises:
        DivergedError: if the loss is not finite.
        ValueError: if the recipe does not fit device or workers, or the folder's checkpoint is of another training.
        RuntimeError: if there is no space for checkpoints, or no such device.
    """
    plans = [f"{fingerprint}-{seed}" for fingerprint in task.fingerprints]
    same = f"{task.without_images}-{seed}"
    first = current_members().rank == 0
    with start_dense(task.network, task.images, recipe, seed=seed) as training:
        records = _restore(training, plans, out, but_images=same if task.accept_images else None)
        check_room(out, 2 * sum(each.numel() * each.element_size() for each in task.network.state_dict().values()))
        if first:
            _write_metrics(out, records)
            watch.after_record(records)
        while not training.is_done:
            records = [*records, _run_to_record(training, task, recipe, watch)]
            if first:
                if training.is_done or training.num_iterations % recipe.checkpoint_iterations == 0:
                    state = training.state()
                    values = {**state.values, "plan": plans[0], WITHOUT_IMAGES: same, "records": records}
                    write_state(out / STATE_FILE, TrainingState(state.tensors, values))
                _write_metrics(out, records)
                watch.after_record(records)
        result = _result(task, recipe, records, seed)
        if first:
            task.save(out)
            write_text(out / RESULT_FILE, json.dumps(result, indent=2, allow_nan=False) + "\n")
        return result


def _restore(training: DenseTraining, plans: Sequence[str], out: Path, *, but_images: str | None) -> list[Record]:
    """Resumes from the folder's checkpoint if there is one; returns the records up to it."""
    if (state := resume_state(out / STATE_FILE, plans, but_images=but_images)) is None:
        return []
    training.restore(state)
    return list(state.values["records"])


def _run_to_record(training: DenseTraining, task: DenseTask, recipe: DenseRecipe, watch: DenseWatch) -> Record:
    record: dict[str, Any] = training.run(watch.after_iteration if current_members().rank == 0 else lambda _: None)
    every = recipe.evaluation_iterations
    if training.is_done or (every and training.num_iterations % every == 0):
        started = time.perf_counter()
        training.network.eval()
        with torch.no_grad():
            record["evaluation"] = dict(task.evaluate(training.network))
        record["evaluation_seconds"] = time.perf_counter() - started
    return record


def _write_metrics(out: Path, records: list[Record]) -> None:
    write_text(out / METRICS_FILE, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))


def _result(task: DenseTask, recipe: DenseRecipe, records: list[Record], seed: int) -> dict[str, Any]:
    training_seconds = sum(record["seconds"] for record in records)
    device = choose_device(recipe)
    return {
        "evaluation": records[-1]["evaluation"],
        "num_iterations": recipe.iterations,
        "num_parameters": sum(parameter.numel() for parameter in task.network.parameters()),
        "pictures_per_second": recipe.iterations * recipe.batch_size / training_seconds,
        "seconds": training_seconds + sum(record.get("evaluation_seconds", 0.0) for record in records),
        "num_workers": current_members().count,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "seed": seed,
        **task.description,
    }
