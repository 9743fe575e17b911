"""One run of `nas benchmark`: the search loop on a table, with the result in its own file."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.comparison.curves import CACHED, SUCCESS, Run
from experiments.config.search_config import CONTROLLERS, parse_controller
from experiments.config.sections import dump_settings, flatten
from experiments.config.yaml_file import parse_yaml
from nas.fidelity import Fidelity
from nas.files.atomic_write import write_text
from nas.files.strict_json import parse_json
from nas.search import SearchPlan, search
from nas.trial import Outcome, Success
from search_spaces.nasbench201 import EdgeSpace
from workers.evaluators.table import TEST_ACCURACY, Columns, Table, read_table
from workers.pools.caching_pool import CachingPool
from workers.pools.virtual_pool import VirtualPool

FAILURE_REWARD = 0.0
"""Reward of a failure, as in a search with default settings."""
_COLUMNS = ("trial", "accuracy", "test", "seconds", "elapsed_seconds", "decisions", "status")


@dataclass(frozen=True, slots=True)
class JobKey:
    """Everything that determines the result of a run.

    Attributes:
        format: Version of the result file.
        table: SHA-256 digest of the table.
        columns: Of the table.
        controller: Name of the controller, with settings as given on the command line.
        settings: All settings of the controller.
        num_workers: Number of logical workers.
        num_trials: Number of trials.
        failure_reward: Reward of a failure.
        seed: Of the run; each strategy derives its own seed from it.
    """

    format: int
    table: str
    columns: Columns
    controller: str
    settings: Mapping[str, Any]
    num_workers: int
    num_trials: int
    failure_reward: float
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Job:
    """One run.

    Attributes:
        table: Path of the table.
        key: Everything that determines the result.
    """

    table: str
    key: JobKey

    @property
    def strategy(self) -> str:
        """Controller with its settings, and the number of workers if there are several."""
        number = self.key.num_workers
        return f"{self.key.controller}, {number} workers" if number > 1 else self.key.controller

    @property
    def name(self) -> str:
        """Strategy and seed."""
        return f"{self.strategy}, seed {self.key.seed}"

    @property
    def derived_seed(self) -> int:
        """Seed of the run; it differs between strategies, so that their first random trials differ."""
        text = f"{self.strategy}, {self.key.seed}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])

    def file(self, folder: Path) -> Path:
        """Path of the result."""
        controller = self.key.controller.replace(":", ",")
        return folder / f"{controller},workers={self.key.num_workers},seed={self.key.seed}.json"

    def stored(self, folder: Path) -> dict[str, Any] | None:
        """Returns the stored result, or None if there is none.

        Raises:
            ValueError: If the file holds no result, or one of another configuration; the message shows the difference.
        """
        file = self.file(folder)
        try:
            result = parse_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{file} does not hold a run: {error}") from None
        key = result.get("key") if isinstance(result, dict) else None
        old = dict(flatten(key)) if isinstance(key, dict) else {}
        new = dict(flatten(self.key.to_json()))
        if old != new:
            different = "; ".join(
                f"{name}: {old.get(name)!r:.80} in the folder, {new.get(name)!r:.80} requested"
                for name in sorted({*old, *new})
                if old.get(name) != new.get(name)
            )
            raise ValueError(f"{file} holds a run with another configuration ({different}); choose another --out")
        return dict(result)

    def read(self, folder: Path) -> tuple[Run, Sequence[int]]:
        """Returns the run for the comparison, and its trial ids in the order of finishing."""
        result = self.stored(folder)
        if result is None:
            raise RuntimeError(f"{self.file(folder)} does not exist")
        run = Run(
            self.name,
            np.array(result["accuracy"], dtype=float),
            np.array(result["seconds"], dtype=float),
            test=np.array(result["test"], dtype=float),
            fingerprints=result["decisions"],
            statuses=result["status"],
            elapsed_seconds=np.array(result["elapsed_seconds"], dtype=float),
        )
        return run, result["trial"]


def controller_settings(controller: str) -> dict[str, Any]:
    """Returns all settings of a controller, given as its name and settings: ``ppo:batch_size=5``.

    Raises:
        ValueError: If the controller is unknown or a setting is not allowed.
    """
    name, *pairs = controller.split(":")
    section: dict[str, Any] = {"name": name}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key in section:
            raise ValueError(
                f"settings of a controller must be KEY=VALUE, each key once, got {pair!r:.100} in {controller!r:.200}"
            )
        try:
            section[key] = parse_yaml(value)
        except ValueError as error:
            raise ValueError(f"the value of {key} in {controller!r:.200} {error}") from None
    name, settings = parse_controller(section)
    return {"name": name} | ({} if settings is None else dump_settings(settings))


@lru_cache(maxsize=1)
def load_table(path: str, columns: Columns) -> tuple[Table, EdgeSpace]:
    """Reads a table and the space of its cells, once per process."""
    table = read_table(Path(path), columns)
    return table, EdgeSpace.of(table.rows)


def run_jobs(jobs: Sequence[Job], folder: Path, num_processes: int, console: Console) -> None:
    """Runs jobs in parallel; each writes its result when it finishes."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    executor = ProcessPoolExecutor(
        min(num_processes, len(jobs)), mp_context=get_context("spawn"), initializer=_start_process
    )
    with executor, Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("runs", total=len(jobs))
        futures = [executor.submit(run_job, job, folder) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                progress.advance(task)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def run_job(job: Job, folder: Path) -> None:
    """Executes a run and writes its result atomically.

    An architecture that the run has evaluated before is taken from the cache and costs nothing, as in a search.
    """
    key = job.key
    table, space = load_table(job.table, key.columns)
    _, parsed = parse_controller(key.settings)
    settings = () if parsed is None else (parsed,)
    controller = CONTROLLERS[key.settings["name"]].build(space.choices, *settings, seed=job.derived_seed)
    plan = SearchPlan(Fidelity(), key.num_trials, seed=job.derived_seed, failure_reward=key.failure_reward)
    rows = []
    with VirtualPool(table, num_workers=key.num_workers) as pool:
        for trial, outcome in search(space, controller, CachingPool(pool), plan):
            decisions = "-".join(map(str, trial.rollout.decisions))
            rows.append(
                (trial.id, *_measured(outcome), outcome.train_seconds, pool.now_seconds, decisions, _status(outcome))
            )
    result = {"key": key.to_json()} | dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    write_text(job.file(folder), json.dumps(result) + "\n")


def _measured(outcome: Outcome) -> tuple[float | None, float | None]:
    """Returns validation and test accuracy."""
    return (outcome.accuracy, outcome.metrics[TEST_ACCURACY]) if isinstance(outcome, Success) else (None, None)


def _status(outcome: Outcome) -> str:
    if isinstance(outcome, Success):
        return CACHED if outcome.cached else SUCCESS
    return outcome.kind


def _start_process() -> None:
    """Limits a process to one thread, and leaves Ctrl-C to its parent."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """Ends this process when its parent has ended, for whatever reason: waiting for its queue would never return."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
