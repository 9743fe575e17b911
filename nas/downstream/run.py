"""A detector's or segmenter's training in a folder: records, evaluations, checkpoints, and going on after a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.downstream.recipe import DenseRecipe
from nas.downstream.training import DensePictures, DenseTraining, start_dense
from nas.files.atomic_write import write_text
from nas.training.device import choose_device
from nas.training.parallel import current_members
from nas.training.run import METRICS_FILE, RESULT_FILE, STATE_FILE, Record
from nas.training.state import TrainingState, check_room, read_state, remove_unfinished, write_state


@dataclass(frozen=True, slots=True)
class DenseTask:
    """What is trained, and how it is measured.

    Attributes:
        fingerprint: equal for tasks of which one can go on where the other was: network, pictures, what it starts from.
        network: see `nas.downstream.training.DenseTraining`.
        pictures: to train on.
        evaluate: measures the network, which it gets in evaluation mode, without gradients, and gives plain data; with
            several workers all of them call it, each with the same weights, and all get the same.
        save: writes the trained network into the folder, given what `result.json` will hold.
        description: what `result.json` says beside of what was trained; plain data.
    """

    fingerprint: str
    network: nn.Module
    pictures: DensePictures
    evaluate: Callable[[nn.Module], Mapping[str, Any]]
    save: Callable[[Path, Mapping[str, Any]], None]
    description: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DenseWatch:
    """What is told how a training goes.

    Attributes:
        after_iteration: called with the iterations that are done.
        after_record: called with all records so far, those of earlier sessions included.
    """

    after_iteration: Callable[[int], None] = field(default=lambda _: None)
    after_record: Callable[[list[Record]], None] = field(default=lambda _: None)


def run_dense(
    task: DenseTask, recipe: DenseRecipe, out: Path, *, seed: int, watch: DenseWatch = DenseWatch()
) -> dict[str, Any]:
    """Trains from where the folder's checkpoint is to the end, and evaluates.

    Every `recipe.checkpoint_iterations` the checkpoint in the folder is replaced, at once or not at all, so that the
    same call goes on after a kill at any moment; with one worker on a CPU it ends with the same weights to the last
    bit.

    Args:
        task: what is trained.
        recipe: how.
        out: an existing folder.
        seed: of all that is random in the training.
        watch: told of iterations and records, in the first worker only.

    Returns:
        What `result.json` holds: ``evaluation`` as `task.evaluate` gave it in the end, counts and times, and
        `task.description`. In the first worker only it is written.

    Raises:
        DivergedError: if the loss is not finite any more.
        ValueError: if the recipe does not fit device or workers, or the folder's checkpoint is of another training.
        RuntimeError: if there is no room for checkpoints, or no such device.
    """
    plan = f"{task.fingerprint}-{seed}"
    first = current_members().rank == 0
    with start_dense(task.network, task.pictures, recipe, seed=seed) as training:
        records = _restore(training, plan, out)
        check_room(out, 2 * sum(each.numel() * each.element_size() for each in task.network.state_dict().values()))
        if first:
            _write_metrics(out, records)
            watch.after_record(records)
        while not training.is_done:
            records = [*records, _run_to_record(training, task, recipe, watch)]
            if first:
                if training.is_done or training.num_iterations % recipe.checkpoint_iterations == 0:
                    _write_checkpoint(training, plan, records, out)
                _write_metrics(out, records)
                watch.after_record(records)
        result = _result(task, recipe, records, seed)
        if first:
            task.save(out, result)
            write_text(out / RESULT_FILE, json.dumps(result, indent=2, allow_nan=False) + "\n")
        return result


def _restore(training: DenseTraining, plan: str, out: Path) -> list[Record]:
    """Goes on from the folder's checkpoint if there is one; gives the records up to it."""
    path = out / STATE_FILE
    if current_members().rank == 0:
        remove_unfinished(path)
    state = read_state(path)
    if state is None:
        return []
    if state.values.get("plan") != plan:
        raise ValueError(f"{path} is the checkpoint of another training (network, pictures, settings or seed differ)")
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


def _write_checkpoint(training: DenseTraining, plan: str, records: list[Record], out: Path) -> None:
    state = training.state()
    write_state(out / STATE_FILE, TrainingState(state.tensors, {**state.values, "plan": plan, "records": records}))


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
