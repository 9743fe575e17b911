from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from experiments.cli.main import main
from experiments.comparison.curves import Run, Strategy
from experiments.config import search_config
from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.load import load_data
from nas.decisions import Rollout
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.ledger.writer import Ledger
from nas.models.checkpoint import save_checkpoint
from nas.models.network import build_network
from nas.training.loop import accuracy, train
from nas.trial import Outcome, Success, Trial


def _architecture(number: int) -> Architecture:
    """One of six architectures that differ in their operations."""
    ops = ("identity", "conv_1x1", "max_pool_3x3", "sep_conv_3x3", "avg_pool_3x3", "conv_3x3")
    cell = Cell((Block(Edge(0, ops[number % 6]), Edge(1, "identity")),))
    return Architecture(cell, cell)


def _trial(trial_id: int, number: int) -> Trial:
    return Trial(trial_id, Rollout((number,), -1.0), _architecture(number), Fidelity(), seed=trial_id)


@pytest.fixture
def make_trial() -> Callable[..., Trial]:
    """Makes a trial from its number and that of its architecture."""

    def make(trial_id: int, architecture: int | None = None) -> Trial:
        return _trial(trial_id, trial_id if architecture is None else architecture)

    return make


@pytest.fixture(scope="session")
def write_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a run folder of one controller and seed; outcomes and settings (by dotted key) may be given."""

    def write(name: str, controller: str, seed: int, *, outcomes: list[Outcome] | None = None, **changes: Any) -> Path:
        if outcomes is None:
            accuracies = np.random.default_rng(seed).uniform(0.4, 0.6, size=6) + (0.3 if controller == "ppo" else 0.0)
            outcomes = [Success(place, float(value), 1000, 20_000, 2.0) for place, value in enumerate(accuracies)]
        document: dict[str, dict[str, Any]] = {
            "space": {"name": "tiny", "num_blocks": 2},
            "controller": {"name": controller, "learning_rate": 0.01},
            "reward": {"name": "accuracy"},
            "search": {"num_trials": len(outcomes), "seed": seed, "failure_reward": 0.0},
            "recipe": {"epochs": 3},
            "data": {"name": "digits", "root": f"/data/{name}"},
            "workers": {"num_workers": 3, "cpus": 1.0},
        }
        for key, value in changes.items():
            section, _, setting = key.partition("__")
            document.setdefault(section, {})[setting] = value
        folder = tmp_path_factory.mktemp(name)
        (folder / "config.yaml").write_text(yaml.safe_dump(document))
        (folder / "environment.json").write_text(json.dumps({"python": "3.12.0", "hardware": {"num_cpus": 2 + seed}}))
        with Ledger(folder / "ledger.jsonl") as ledger:
            ledger.append_asked([_trial(number, number) for number in sorted(each.trial_id for each in outcomes)])
            for outcome in outcomes:
                ledger.append_finished(outcome)
        return folder

    return write


@pytest.fixture(scope="session")
def make_strategy() -> Callable[..., Strategy]:
    """Makes a strategy whose runs improve at a given rate; the same name and numbers give the same runs."""

    def make(name: str, *, seeds: int, trials: int = 30, rate: float = 0.0, test: bool = False) -> Strategy:
        runs = []
        for seed in range(seeds):
            generator = np.random.default_rng([len(name), seed])
            accuracy = np.clip(0.9 - np.abs(generator.normal(0, 0.1, trials)) + rate * np.arange(trials), 0, 1)
            accuracy[generator.random(trials) < 0.05] = np.nan
            accuracy[0] = 0.5
            tested = np.clip(accuracy + generator.normal(0, 0.005, trials), 0, 1) if test else None
            runs.append(Run(f"{name} {seed}", accuracy, generator.uniform(2, 9, trials), tested))
        return Strategy(name, tuple(runs), {"name": name.partition(",")[0]})

    return make


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two networks trained on the digits for two epochs, one with batch and one with instance normalization."""
    data = load_data(DataSpec())
    recipe = TrainRecipe(epochs=2, learning_rate=0.1, batch_size=32, flip=False, crop_padding=0, device="cpu")
    paths = []
    for norm in ("bn", "in"):
        cell = Cell((Block(Edge(1, "conv_3x3"), Edge(1, "identity"), norm=norm),))
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(0)
            spec = NetworkSpec(image_size=8, in_channels=1, num_filters=8, num_repeats=1, num_stages=2)
            network = build_network(Architecture(cell, cell), spec)
        train(network, data, recipe, seed=0)
        paths.append(tmp_path_factory.mktemp("checkpoints") / f"{norm}.safetensors")
        save_checkpoint(paths[-1], network, data=data, accuracy=accuracy(network, data.validation, data, recipe))
    return paths[0], paths[1]


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process; returns its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def set_evaluator(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts an entry into the table of evaluators for a test; without a name it replaces the training of networks."""

    def set_(evaluate: Callable[..., Outcome], name: str = "train_and_validate", **kind: Any) -> None:
        monkeypatch.setitem(search_config.EVALUATORS._entries, name, search_config.EvaluatorKind(evaluate, **kind))

    return set_


TINY_CONFIG: dict[str, Any] = {
    "space": "tiny",
    "controller": "random",
    "search": {"num_trials": 2},
    "network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1},
    "recipe": {"epochs": 1, "batch_size": 32},
    "data": {"name": "digits", "num_train": 100, "validation_fraction": 0.25},
    "workers": {"pool": "serial"},
}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search on a few digits, not to be changed; ``config.yaml`` beside it started it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.yaml").write_text(yaml.safe_dump(TINY_CONFIG))
    assert main(["search", str(folder / "config.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture(scope="session")
def make_study_results() -> Callable[..., list[dict[str, Any]]]:
    """Makes the results of a study: two schedules, two fractions; what differs between starts and seeds may be given.

    By default pre-training is ahead by 0.2 of AP on training pictures after 1x and by 0.1 after 2x, and by 0.3 in the
    loss, in every seed; on new pictures nothing is found.
    """

    def result(start: str, schedule: str, fraction: float, seed: int, *, new: float, masks: bool) -> dict[str, Any]:
        length, ahead = int(schedule[0]), start == "pretrained"
        known = 0.1 * length + 0.1 * fraction + 0.01 * seed + ahead * (0.3 - 0.1 * length)
        scores = {
            split: {kind: {"ap": ap, "ap50": 1.5 * ap} for kind in (("box", "mask") if masks else ("box",))}
            | {"num_pictures": int(10 * fraction) if split == "train" else 5}
            for split, ap in (("val", new), ("train", known))
        }
        points = [{"iteration": place, **scores["train"]} for place in (5, 10 * length)]
        return {
            "name": f"{start}-{schedule}-{fraction}-seed-{seed}",
            "start": start,
            "schedule": schedule,
            "fraction": fraction,
            "seed": seed,
            "num_pictures": int(10 * fraction),
            "num_iterations": 10 * length,
            "scores": scores,
            "loss": 2.0 - 0.5 * length - 0.3 * ahead + 0.02 * seed,
            "curve": points,
            "seconds": 3.0,
        }

    def make(num_seeds: int = 3, *, new: float = 0.0, masks: bool = False) -> list[dict[str, Any]]:
        return [
            result(start, schedule, fraction, seed, new=new, masks=masks)
            for seed in range(num_seeds)
            for fraction in (1.0, 0.5)
            for schedule in ("2x", "1x")
            for start in ("scratch", "pretrained")
        ]

    return make
