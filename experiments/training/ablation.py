"""`nas ablate`: trains a recipe with its tricks added one at a time over several seeds, as in 1812.01187."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Column, Table

from experiments.comparison.statistics import CONFIDENCE, bootstrap_interval
from experiments.config.kinds import ABLATION
from experiments.config.resolve import ConfigRequest
from experiments.config.training_config import AblationConfig, TrainingConfig
from experiments.runs.live_training import EpochTable
from experiments.runs.printing import say
from experiments.runs.run_folder import Binding, RunFolder
from experiments.training.inputs import NetworkRequest, load_training, resolve_training
from experiments.training.recipe_ladder import Rung, ladder
from experiments.training.run import train_folder
from nas.data.data_set import DataSet
from nas.files.atomic_write import write_text
from nas.models.reference.descriptions import Buildable

_Result = Mapping[str, Any]
_COLUMNS = ("recipe", "top-1 (%)", "over the row above", "better in", "over plain", "seconds")


def run_ablation(request: ConfigRequest, network: NetworkRequest, out: Path | None, console: Console) -> dict[str, Any]:
    """Trains every rung of the ladder with every seed, and writes ``ablation.json`` and ``ablation.md``.

    Each training has its own folder in `out`, ``runs/NAME_ablation`` if None, so that the same command resumes, and one
    with more seeds adds theirs. Returns what ``ablation.json`` holds, see `summarize`.
    """
    folder = RunFolder(out or request.default_folder.with_name(f"{request.default_folder.name}_ablation"))
    document = resolve_training(ABLATION, request, network, folder)
    data, config, architecture = load_training(AblationConfig, document, request, network, folder, console)
    rungs, seeds = ladder(config.fidelity), range(config.ablation.num_seeds)
    say(console, f"{len(rungs)} recipes, {len(seeds)} trainings of each")
    results: dict[str, list[_Result]] = {rung.name: [] for rung in rungs}
    binding = Binding(folder, config, architecture, data=data.report, accept_data=request.accept_data)
    train = partial(_train, architecture=architecture, data=data, console=console, accept_data=request.accept_data)
    with binding.hold() as notices:
        for notice in notices:
            say(console, notice)
        for number, rung in enumerate(rungs):
            path = folder.path / f"{number:02d}-{re.sub('[^a-z]+', '-', rung.name.lower()).strip('-')}"
            for seed in seeds:
                own = RunFolder(path / f"seed-{seed}")
                results[rung.name].append(train(own, _rung_config(config, rung, seed)))
        images = {} if data.report is None else {"images": data.report.counts}
        value = {"config": request.source, **images, **summarize(results)}
        write_text(folder.path / "ablation.json", json.dumps(value, indent=2) + "\n")
        write_text(folder.path / "ablation.md", markdown_table(value))
    return value


def summarize(results: Mapping[str, Sequence[_Result]]) -> dict[str, Any]:
    """Summarizes the results of each rung, ordered by seed, as plain data.

    For each rung the accuracy on the test images (on the validation images if there are none) of the weights selected
    on validation, and the paired gains over the previous and the plain rung; each with a bootstrap interval over seeds.
    `verdict` holds the conclusions.
    """
    shares = {name: np.array([_score(result)["top1"] for result in each]) for name, each in results.items()}
    names = list(shares)
    rungs: list[dict[str, Any]] = []
    for index, (name, each) in enumerate(results.items()):
        rung = {"name": name, "accuracies": shares[name].tolist(), "accuracy": _interval(shares[name])}
        if index:
            gain = shares[name] - shares[names[index - 1]]
            rung |= {"gain": _interval(gain), "num_better": int((gain > 0).sum())}
            rung["total"] = _interval(shares[name] - shares[names[0]])
        rungs.append({**rung, "seconds": float(np.mean([result["seconds"] for result in each]))})
    first = [result for each in results.values() for result in each]
    value = {
        "split": "test" if all(result["test"] for result in first) else "validation",
        "num_images": int(_score(first[0])["num_images"]),
        "num_seeds": len(rungs[0]["accuracies"]),
        "confidence": CONFIDENCE,
        "rungs": rungs,
    }
    return {**value, "verdict": _verdict(value)}


def print_ablation(value: Mapping[str, Any], console: Console) -> None:
    """Prints the table and the conclusions."""
    columns = (Column(name, justify="left" if name == "recipe" else "right") for name in _COLUMNS)
    table = Table(*columns, title=_title(value), box=box.SIMPLE_HEAD)
    for row in _rows(value):
        table.add_row(*row[:-2], row[-2].partition(" ")[0], row[-1])  # its interval does not fit into a terminal
    console.print(table)
    for sentence in value["verdict"]:
        say(console, sentence)


def markdown_table(value: Mapping[str, Any]) -> str:
    """Formats the table and the conclusions as Markdown."""
    lines = [
        f"{_title(value)}.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|---|{'---:|' * (len(_COLUMNS) - 1)}",
        *(f"| {' | '.join(row)} |" for row in _rows(value)),
        "",
        *value["verdict"],
    ]
    return "\n".join(lines) + "\n"


def _title(value: Mapping[str, Any]) -> str:
    seeds = f"{value['num_seeds']} seed{'s' * (value['num_seeds'] > 1)}"
    intervals = f" with {value['confidence']:.0%} intervals" if value["num_seeds"] > 1 else ""
    return f"Top-1 on {value['num_images']:,} {value['split']} images, mean of {seeds}{intervals}"


def _rows(value: Mapping[str, Any]) -> Iterator[list[str]]:
    for rung in value["rungs"]:
        gain, total = (_text(rung[key], sign="+") if key in rung else "" for key in ("gain", "total"))
        better = f"{rung['num_better']} of {value['num_seeds']}" if "num_better" in rung else ""
        yield [rung["name"], _text(rung["accuracy"]), gain, better, total, f"{rung['seconds']:,.1f}"]


def _verdict(value: Mapping[str, Any]) -> list[str]:
    """Returns sentences on the gains over the row above; none for a single rung."""
    gains = {rung["name"]: rung["gain"] for rung in value["rungs"] if "gain" in rung}
    if not gains:
        return []
    if value["num_seeds"] < 2:
        return ["One seed gives no spread over seeds, so no gain can be shown."]
    shown = [name for name, gain in gains.items() if gain["low"] > 0 or gain["high"] < 0]
    chance = (1 - value["confidence"]) * len(gains)
    width = 100 * float(np.median([(gain["high"] - gain["low"]) / 2 for gain in gains.values()]))
    significant = f"{len(shown)} of {len(gains)} ({', '.join(shown)})" if shown else f"none of {len(gains)}"
    return [
        f"Gains over the row above whose interval excludes zero: {significant}; {chance:.1f} expected by chance.",
        f"With {value['num_seeds']} seeds a trick must change top-1 by about {width:.1f} points to be detected. The "
        f"intervals cover seeds only: all use the same images, and one of {value['num_images']:,} is "
        f"{100 / value['num_images']:.2g} points.",
    ]


def _text(interval: Mapping[str, float | None], *, sign: str = "") -> str:
    middle = f"{100 * (interval['value'] or 0):{sign}.2f}"
    if interval["low"] is None or interval["high"] is None:
        return middle
    return f"{middle} ({100 * interval['low']:{sign}.2f} to {100 * interval['high']:{sign}.2f})"


def _interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float | None]:
    if len(values) == 1:  # no spread
        return {"value": float(values[0]), "low": None, "high": None}
    found = bootstrap_interval(values, seed=0)
    return {"value": found.value, "low": found.low, "high": found.high}


def _score(result: _Result) -> Mapping[str, Any]:
    """Returns the test score of the weights selected on validation, or their validation score if there is no test."""
    scores: Mapping[str, Any] = (result["test"] or result["validation"])[result["chosen"]]
    return scores


def _rung_config(config: AblationConfig, rung: Rung, seed: int) -> TrainingConfig:
    training = replace(config.training, seed=config.training.seed + seed)
    if rung.fidelity.recipe.distillation == 0:
        training = replace(training, teacher=None)
    return TrainingConfig(training, rung.fidelity.network, rung.fidelity.recipe, config.data, config.workers)


def _train(
    folder: RunFolder,
    config: TrainingConfig,
    *,
    architecture: Buildable,
    data: DataSet,
    console: Console,
    accept_data: bool,
) -> _Result:
    table = EpochTable(config.recipe.epochs, console, transient=True)
    result = train_folder(folder, config, architecture, data, table, accept_data=accept_data)
    split = "test" if result["test"] else "validation"
    say(console, f"{folder.path}: {split} {_score(result)['top1']:.2%}, {result['seconds']:.1f} s")
    return result
