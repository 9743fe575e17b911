"""One run of `nas benchmark`: the real search loop on a table, kept in a file of its own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.comparison.curves import CACHED, SUCCESS, Run
from experiments.config.search_config import CONTROLLERS, parse_controller
from experiments.config.sections import dump_settings
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
"""What a controller is told of a failure, as in a search at its defaults."""
_COLUMNS = ("trial", "accuracy", "test", "seconds", "elapsed_seconds", "decisions", "status")


@dataclass(frozen=True, slots=True)
class Job:
    """One run: the table's path, and all that its result depends on."""

    table: str
    key: dict[str, Any]

    @property
    def strategy(self) -> str:
        """The name of the controller with its settings, and of its workers if there are several."""
        number = self.key["num_workers"]
        return f"{self.key['controller']}, {number} workers" if number > 1 else str(self.key["controller"])

    @property
    def name(self) -> str:
        """Of this run among all."""
        return f"{self.strategy}, seed {self.key['seed']}"

    @property
    def derived_seed(self) -> int:
        """A seed of its own for each strategy: with a common one, their first random trials would be the same."""
        text = f"{self.strategy}, {self.key['seed']}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])

    def file(self, folder: Path) -> Path:
        """Where its result is kept."""
        controller = self.key["controller"].replace(":", ",")
        return folder / f"{controller},workers={self.key['num_workers']},seed={self.key['seed']}.json"

    def stored(self, folder: Path) -> dict[str, Any] | None:
        """Its result, or None if it is missing.

        Raises:
            ValueError: if the file holds none, or one that was made in another way; the message shows the difference.
        """
        file = self.file(folder)
        try:
            result = parse_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{file} does not hold a run: {error}") from None
        key = result.get("key") if isinstance(result, dict) else None
        if key != self.key:
            made = key if isinstance(key, dict) else {}
            differing = [name for name in self.key if made.get(name) != self.key[name]]
            was = ", ".join(f"{name} {made.get(name)!r:.80} and not {self.key[name]!r:.80}" for name in differing)
            raise ValueError(f"{file} was made with {was}; choose another folder")
        return dict(result)

    def read(self, folder: Path) -> tuple[Run, Sequence[int]]:
        """The run as it is compared, and the numbers of its trials in the order of finishing."""
        result = self.stored(folder)
        if result is None:
            raise RuntimeError(f"{self.file(folder)} has vanished")
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
    """All settings of a controller, from its name and what follows it: ``ppo:batch_size=5``.

    Raises:
        ValueError: if there is no such controller, or a setting is not allowed.
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
    """A table and the space of its cells, read once a process."""
    table = read_table(Path(path), columns)
    return table, EdgeSpace.of(table.rows)


def run_jobs(jobs: Sequence[Job], folder: Path, num_processes: int, console: Console) -> None:
    """Runs all jobs, each kept as it ends."""
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
    """One run, kept in its file, which appears only when it is complete.

    An architecture that the run has measured before is told again and costs nothing, as in a real search.
    """
    key = job.key
    table, space = load_table(job.table, Columns(**key["columns"]))
    _, parsed = parse_controller(key["settings"])
    settings = () if parsed is None else (parsed,)
    controller = CONTROLLERS[key["settings"]["name"]].build(space.choices, *settings, seed=job.derived_seed)
    plan = SearchPlan(Fidelity(), key["num_trials"], seed=job.derived_seed, failure_reward=key["failure_reward"])
    rows = []
    with VirtualPool(table, num_workers=key["num_workers"]) as pool:
        for trial, outcome in search(space, controller, CachingPool(pool), plan):
            decisions = "-".join(map(str, trial.rollout.decisions))
            rows.append(
                (trial.id, *_measured(outcome), outcome.train_seconds, pool.now_seconds, decisions, _status(outcome))
            )
    result = {"key": key} | dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    write_text(job.file(folder), json.dumps(result) + "\n")


def _measured(outcome: Outcome) -> tuple[float | None, float | None]:
    """Validation and test accuracy."""
    return (outcome.accuracy, outcome.metrics[TEST_ACCURACY]) if isinstance(outcome, Success) else (None, None)


def _status(outcome: Outcome) -> str:
    if isinstance(outcome, Success):
        return CACHED if outcome.cached else SUCCESS
    return outcome.kind


def _start_process() -> None:
    """One thread a process: the processes take the cores. Ctrl-C is for the process that started this one."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, however that ended: its queue would never say so."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
