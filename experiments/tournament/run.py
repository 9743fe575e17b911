"""`nas select`: the best trials of a search, and random ones beside them, trained further in a tournament."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.config.config_file import TRAINING, apply_setting, load_document
from experiments.config.training_config import TrainingConfig, parse_training
from experiments.runs.run_folder import RunFolder, differences
from experiments.tournament.analysis import Entrant, judge, verdict
from experiments.tournament.candidates import choose_entrants, entrant_from_json, entrant_to_json
from experiments.tournament.figure import draw_tournament
from nas.architecture import Architecture
from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.files.atomic_write import write_text
from nas.files.lock import FileLock
from nas.files.strict_json import parse_json
from nas.training.run import NETWORK_FILE
from workers.cluster.connection import connect
from workers.tune.tournament import Arena, Candidate, Rules, Standing, crown, hold_tournament

RESULT_FILE = "tournament.json"
ENTRANTS_FILE = "entrants.json"
CANDIDATES = "candidates"
_SAY_EVERY_SECONDS = 15.0

Document = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """Options of the command line; None leaves a setting as the configuration has it.

    Attributes:
        top: how many of the best trials take part.
        random: how many others, drawn from the rest of the run, take part as a control.
        seed: of the draw, and of the candidates' training.
        rules: when a candidate is stopped.
        data: the folder of the images.
        workers: the most candidates at a time.
        address: of a running Ray cluster.
        settings: texts of the form ``section.key=value``.
    """

    top: int = 8
    random: int = 8
    seed: int = 0
    rules: Rules = Rules()  # noqa: RUF009 - it is immutable
    data: Path | None = None
    workers: int | None = None
    address: str | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.top < 1 or self.random < 0:
            raise ValueError(f"top must be at least 1 and random at least 0, got {self.top} and {self.random}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")


def run_select(run: Path, source: str, out: Path, options: SelectOptions, console: Console) -> dict[str, Any]:
    """Holds a tournament, or goes on with the one in the folder.

    Args:
        run: the folder of a search.
        source: the configuration of the training, a YAML file or a name; its workers say what one candidate takes.
        out: the folder of the tournament: its result, each candidate's training, the winner's network.
        options: who takes part, and how.
        console: where progress is shown.

    Returns:
        What ``tournament.json`` holds: see `experiments.tournament.analysis.judge`, and ``test``, of the winner.

    Raises:
        ValueError: if the run, the configuration or the folder cannot be used.
        RuntimeError: if the folder is in use, Ray cannot be reached, or no candidate could be trained.
        OSError: if a file cannot be read.
    """
    entrants = choose_entrants(run, top=options.top, random=options.random, seed=options.seed)
    data, config = _load(source, options, console)
    document = _document(run, config, options)
    folder = RunFolder(out)
    stored = _stored_document(folder)
    if stored is not None and (different := differences(stored, document)):
        raise ValueError(f"{out} holds another tournament ({'; '.join(different)}); choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):
        if (out / RESULT_FILE).is_file():
            console.print(f"{out} is finished", markup=False, highlight=False, soft_wrap=True)
            result: dict[str, Any] = _read(out / RESULT_FILE)
            return result
        if stored is None:
            write_text(out / ENTRANTS_FILE, json.dumps([entrant_to_json(*each) for each in entrants], indent=1) + "\n")
            folder.write_config(document)
        folder.write_environment()
        entrants = [entrant_from_json(value) for value in _read(out / ENTRANTS_FILE)]  # the run may have grown
        return _compete(entrants, config, data, out, _Reporter(len(entrants), console), options)


def print_selection(result: Mapping[str, Any], console: Console) -> None:
    """Prints the final ranking and what follows from it."""
    table = Table()
    for name in ("place", "trial", "why", "in the search", "epochs", "validation accuracy"):
        table.add_column(name, justify="left" if name == "why" else "right")
    for row in result["ranking"]:
        reached = "failed" if row["error"] else f"{row['accuracy']:.2%}"
        why = "chosen" if row["chosen"] else "random"
        table.add_row(str(row["place"]), str(row["trial"]), why, f"{row['proxy']:.4f}", str(row["epochs"]), reached)
    console.print(table)
    lines = [
        *result["verdict"],
        *(f"trial {row['trial']} failed: {row['error']}" for row in result["ranking"] if row["error"]),
    ]
    lines.extend(result["files"])
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _load(source: str, options: SelectOptions, console: Console) -> tuple[DataSet, TrainingConfig]:
    """Loads the images, and sets what the configuration leaves to them."""
    document = load_document(source, TRAINING)
    if options.data is not None:
        document["data"]["root"] = str(options.data.resolve())
    if options.address is not None:
        document["workers"]["address"] = options.address
    for setting in options.settings:
        apply_setting(document, setting)
    spec = parse_training(document).fidelity.data
    with console.status(f"reading {spec.name}"):
        data = load_data(spec)
    height, width = data.image_size
    if height != width:
        raise ValueError(f"images must be squares, got {width} x {height} pixels; set data.image_size")
    for key, value in (
        ("num_classes", len(data.class_names)),
        ("in_channels", data.num_channels),
        ("image_size", height),
    ):
        document["network"].setdefault(key, value)
    config = parse_training(document)
    if config.workers.num_workers > 1:
        raise ValueError(
            f"in a tournament each candidate is trained by one worker, got workers.num_workers "
            f"{config.workers.num_workers}; --workers sets how many candidates are trained at a time"
        )
    return data, config


def _stored_document(folder: RunFolder) -> dict[str, Any] | None:
    """What the folder was made with, with the defaults of settings that it does not know."""
    stored = folder.stored_document()
    if stored is None:
        return None
    tournament = stored.pop("tournament", None)
    if not isinstance(tournament, dict):
        raise ValueError(f"{folder.path} holds something else than a tournament; choose another --out")
    try:
        return {**parse_training(stored).to_document(), "tournament": tournament}
    except ValueError as error:
        raise ValueError(f"{folder.config}: {error}") from None


def _document(run: Path, config: TrainingConfig, options: SelectOptions) -> dict[str, Any]:
    document: dict[str, Any] = config.to_document()
    document["tournament"] = {
        "run": str(run.resolve()),
        "top": options.top,
        "random": options.random,
        "seed": options.seed,
        "grace_epochs": options.rules.first_rung(config.fidelity.recipe.epochs),
        "reduction_factor": options.rules.reduction_factor,
    }
    return document


def _compete(
    entrants: list[tuple[Entrant, Architecture]],
    config: TrainingConfig,
    data: DataSet,
    out: Path,
    reporter: _Reporter,
    options: SelectOptions,
) -> dict[str, Any]:
    recipe, workers = config.fidelity.recipe, config.workers
    seed = config.training.seed
    candidates = {each.name: Candidate(each.name, architecture, seed) for each, architecture in entrants}
    arena = Arena(config.fidelity, data, out.resolve() / CANDIDATES, config.training.teacher)
    demand = {"CPU": workers.cpus, **({"GPU": float(workers.gpus)} if workers.gpus else {})}
    with connect(workers.address):
        standings = hold_tournament(
            list(candidates.values()),
            arena,
            options.rules,
            demand=demand,
            max_workers=options.workers,
            on_epoch=reporter.take,
        )
        winner = standings[0]
        if winner.error is not None:
            raise RuntimeError(f"no candidate could be trained; the first: {winner.error}")
        tested = crown(candidates[winner.name], arena, demand=demand)
    judged = judge([entrant for entrant, _ in entrants], standings, epochs=recipe.epochs, seed=options.seed)
    shutil.copyfile(arena.candidate_folder(winner.name) / NETWORK_FILE, out / NETWORK_FILE)
    figures = draw_tournament(judged, out)
    result = {
        **judged.to_json(),
        "test": tested["test"],
        "verdict": [*verdict(judged), *_say_test(tested["test"])],
        "files": [str(out / name) for name in (RESULT_FILE, *figures, NETWORK_FILE)],
    }
    write_text(out / RESULT_FILE, json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def _say_test(test: Mapping[str, Any] | None) -> list[str]:
    if test is None:
        return []
    best = ", ".join(f"{score['top1']:.2%} ({name})" for name, score in test.items())
    return [f"Of the test images, opened now and for the winner alone, it gets {best} right."]


def _read(path: Path) -> Any:  # noqa: ANN401 - plain data of this module's own files
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


class _Reporter:
    """Says now and then how a tournament goes."""

    def __init__(self, num_candidates: int, console: Console) -> None:
        self._num_candidates = num_candidates
        self._console = console
        self._standings: dict[str, Standing] = {}
        self._said_at = time.monotonic()

    def take(self, standing: Standing) -> None:
        """Takes what a candidate reports."""
        self._standings[standing.name] = standing
        now = time.monotonic()
        if now - self._said_at < _SAY_EVERY_SECONDS:
            return
        self._said_at = now
        best = max(self._standings.values(), key=lambda each: each.place)
        used = sum(len(each.accuracies) for each in self._standings.values())
        self._console.print(
            f"{len(self._standings)} of {self._num_candidates} candidates started, {used} epochs, ahead: {best.name} "
            f"after {len(best.accuracies)} epochs with {best.accuracies[-1] if best.accuracies else 0:.2%}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
