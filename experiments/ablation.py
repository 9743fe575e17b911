"""`nas ablate`: a recipe with its tricks added one at a time, as in the tables of Bag of Tricks (1812.01187)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.run_folder import RunFolder
from experiments.statistics import CONFIDENCE, bootstrap_interval
from experiments.training import open_training, plan_of, train_folder
from experiments.training_config import TrainingConfig
from experiments.training_inputs import TrainOptions, load_training, resolve
from nas.data.data_set import DataSet
from nas.fidelity import Fidelity, NetworkSpec, TrainRecipe
from nas.lock import FileLock
from nas.models.build import Buildable
from nas.training.full import read_result
from nas.whole_file import write_text

TRICKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "linear scaling": ("recipe.reference_batch",),
        "warm-up": ("recipe.warmup_epochs",),
        "zero gamma": ("recipe.zero_gamma",),
        "no bias decay": ("recipe.decay_biases",),
        "low precision": ("recipe.precision",),
        "gradient clipping": ("recipe.gradient_clip",),
        "RMSProp": ("recipe.optimizer", "recipe.rmsprop_decay", "recipe.rmsprop_epsilon"),
        "schedule": ("recipe.schedule", "recipe.decay_factor", "recipe.decay_every"),
        "crops and mirrors": ("recipe.crop_padding", "recipe.flip"),
        "random resized crop": ("recipe.min_crop_area",),
        "colour jitter": ("recipe.color_jitter",),
        "lighting": ("recipe.lighting",),
        "cutout": ("recipe.cutout",),
        "label smoothing": ("recipe.label_smoothing",),
        "auxiliary head": ("network.auxiliary",),
        "scheduled drop path": ("network.drop_path",),
        "distillation": ("recipe.distillation", "recipe.temperature"),
        "mixup": ("recipe.mixup",),
        "cutmix": ("recipe.cutmix",),
        "average of weights": ("recipe.ema_decay",),
    }
)
"""Tricks in the order in which they are added, with their settings."""

_PLAIN_RECIPE = {
    "reference_batch": 0,
    "warmup_epochs": 0.0,
    "zero_gamma": False,
    "decay_biases": True,
    "precision": "float32",
    "gradient_clip": 0.0,
    "optimizer": "sgd",
    "crop_padding": 0,
    "flip": False,
    "min_crop_area": 0.0,
    "color_jitter": 0.0,
    "lighting": 0.0,
    "cutout": 0,
    "label_smoothing": 0.0,
    "distillation": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "ema_decay": 0.0,
    "schedule": "step",
    "decay_factor": 0.1,
}
_PLAIN_NETWORK = {"auxiliary": False, "drop_path": 0.0}


@dataclass(frozen=True, slots=True)
class Rung:
    """A recipe on the ladder from plain to complete.

    Attributes:
        name: of the trick that it adds.
        fidelity: with it and all before.
    """

    name: str
    fidelity: Fidelity


def ladder(fidelity: Fidelity) -> list[Rung]:
    """The plain recipe, then the tricks that a fidelity uses added one at a time, up to the fidelity itself.

    The plain one has no trick of `TRICKS`, and a rate that falls to a tenth at a quarter, half and three quarters, as
    at 30, 60 and 90 of 120 epochs in 1812.01187, section 2.1.
    """
    recipe = {**_PLAIN_RECIPE, "decay_every": fidelity.recipe.epochs / 4}
    if fidelity.recipe.precision == "auto":  # what the device takes anyway is no trick of the recipe
        recipe["precision"] = "auto"
    plain = _with(fidelity, recipe=recipe, network=_PLAIN_NETWORK)
    rungs = [Rung("plain", plain)]
    for name, settings in TRICKS.items():
        changes: dict[str, dict[str, Any]] = {"recipe": {}, "network": {}}
        for setting in settings:
            section, _, key = setting.partition(".")
            changes[section][key] = getattr(getattr(fidelity, section), key)
        added = _with(rungs[-1].fidelity, **changes)
        if added != rungs[-1].fidelity and _is_used(name, fidelity):
            rungs.append(Rung(f"+ {name}", added))
    return rungs


def run_ablation(source: str, options: TrainOptions, num_seeds: int, console: Console) -> dict[str, Any]:
    """Trains every rung with every seed, and writes ``ablation.json`` and ``ablation.md``.

    Each training has a folder of its own, so that the same command goes on where it was.

    Args:
        source: the configuration of a training.
        options: as of `nas train`; the seeds are counted from that of the configuration.
        num_seeds: trainings of each rung.
        console: where progress is shown.

    Returns:
        What ``ablation.json`` holds, see `summarize`.

    Raises:
        ValueError: if the configuration is not valid, or a folder holds another training.
        RuntimeError: if a training fails.
    """
    if num_seeds < 1:
        raise ValueError(f"there must be at least 1 seed, got {num_seeds}")
    out = options.out or Path("runs") / f"{Path(source).stem}_ablation"
    data, config, architecture = load_training(resolve(source, options), options, RunFolder(out), console)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, Any]]] = {}
    with FileLock(out / ".lock"):
        for number, rung in enumerate(ladder(config.fidelity)):
            for seed in range(num_seeds):
                folder = out / f"{number:02d}-{re.sub('[^a-z]+', '-', rung.name.lower()).strip('-')}" / f"seed-{seed}"
                changed = _rung_config(config, rung, seed)
                results.setdefault(rung.name, []).append(_train(folder, changed, architecture, data, console))
        value = {"config": source, **summarize(results)}
        write_text(out / "ablation.json", json.dumps(value, indent=2) + "\n")
        write_text(out / "ablation.md", markdown_table(value))
    return value


def summarize(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Describes accuracies with intervals.

    Args:
        results: for each rung the results of its trainings, in the order of their seeds.

    Returns:
        Plain data: for each rung its accuracy on the test images (validation's where there are none) of the weights
        that validation chose, and what it gains over the rung before and over the plain one, seed by seed; each with
        an interval by the bootstrap over seeds.
    """
    shares = {name: np.array([_accuracy(result) for result in each]) for name, each in results.items()}
    names = list(shares)
    rungs = []
    for index, name in enumerate(names):
        rung = {"name": name, "accuracies": shares[name].tolist(), "accuracy": _interval(shares[name])}
        if index:
            rung["gain"] = _interval(shares[name] - shares[names[index - 1]])
            rung["total"] = _interval(shares[name] - shares[names[0]])
        rungs.append(rung)
    tested = all(result["test"] for each in results.values() for result in each)
    return {"split": "test" if tested else "validation", "confidence": CONFIDENCE, "rungs": rungs}


def print_ablation(value: Mapping[str, Any], console: Console) -> None:
    """Prints the table."""
    table = Table(title=f"top-1 on the {value['split']} images, with {value['confidence']:.0%} intervals over seeds")
    for name in ("recipe", "top-1", "gain over the row above", "gain over plain"):
        table.add_column(name, justify="left" if name == "recipe" else "right")
    for row in _rows(value):
        table.add_row(*row)
    console.print(table)


def markdown_table(value: Mapping[str, Any]) -> str:
    """The table as Markdown."""
    num_seeds = len(value["rungs"][0]["accuracies"])
    lines = [
        f"Top-1 on the {value['split']} images, mean of {num_seeds} seeds with {value['confidence']:.0%} intervals.",
        "",
        "| recipe | top-1 (%) | gain over the row above | gain over plain |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in _rows(value)),
    ]
    return "\n".join(lines) + "\n"


def _rows(value: Mapping[str, Any]) -> Iterator[list[str]]:
    for rung in value["rungs"]:
        gains = [_text(rung[key], sign="+") if key in rung else "" for key in ("gain", "total")]
        yield [rung["name"], _text(rung["accuracy"]), *gains]


def _text(interval: Mapping[str, float | None], *, sign: str = "") -> str:
    middle = f"{100 * (interval['value'] or 0):{sign}.2f}"
    if interval["low"] is None or interval["high"] is None:
        return middle
    return f"{middle} ({100 * interval['low']:{sign}.2f} to {100 * interval['high']:{sign}.2f})"


def _interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float | None]:
    if len(values) == 1:  # nothing can be said of the spread
        return {"value": float(values[0]), "low": None, "high": None}
    found = bootstrap_interval(values, seed=0)
    return {"value": found.value, "low": found.low, "high": found.high}


def _accuracy(result: Mapping[str, Any]) -> float:
    scores = result["test"] or result["validation"]
    return float(scores[result["chosen"]]["top1"])


def _rung_config(config: TrainingConfig, rung: Rung, seed: int) -> TrainingConfig:
    training = replace(config.training, seed=config.training.seed + seed)
    if rung.fidelity.recipe.distillation == 0:
        training = replace(training, teacher=None)
    return replace(config, fidelity=rung.fidelity, training=training)


def _train(
    folder: Path, config: TrainingConfig, architecture: Buildable, data: DataSet, console: Console
) -> dict[str, Any]:
    console.print(f"{folder}", markup=False, highlight=False, soft_wrap=True)
    with open_training(folder, config, architecture):
        result = read_result(folder)
        return result or train_folder(folder, plan_of(config, architecture), config, data, console)


def _is_used(name: str, fidelity: Fidelity) -> bool:
    """Whether a trick is on: its constants may differ from the plain ones where it is off."""
    if name == "RMSProp":
        return fidelity.recipe.optimizer == "rmsprop"
    return name != "distillation" or fidelity.recipe.distillation > 0


def _with(fidelity: Fidelity, *, recipe: Mapping[str, Any], network: Mapping[str, Any]) -> Fidelity:
    changed_recipe: TrainRecipe = replace(fidelity.recipe, **recipe)
    changed_network: NetworkSpec = replace(fidelity.network, **network)
    return Fidelity(changed_network, changed_recipe, fidelity.data)
