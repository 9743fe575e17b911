"""One run of `nas benchmark`: the search loop on a table, with the result in its own file."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.benchmark.objectives import metric_columns, true_front
from experiments.benchmark.tables import TABLES
from experiments.comparison.curves import CACHED, STOPPED, SUCCESS, Run
from experiments.config.parsing.sections import dump_settings, flatten
from experiments.config.parsing.yaml_file import parse_yaml
from experiments.config.strategies import build_controller, parse_controller, parse_wrapper
from nas.fidelity import Fidelity
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json
from nas.fronts import hypervolume_curve
from nas.objectives import Objectives
from nas.protocols import Pool, SearchSpace
from nas.rewards import Accuracy, Reward
from nas.rungs import RankedReward
from nas.search import SearchPlan, search
from nas.trial import Failure, Outcome, Success, Trial
from workers.evaluators.table import TEST_ACCURACY, Columns, Table
from workers.pools.caching_pool import CachingPool
from workers.pools.rung_pool import RungPool
from workers.pools.virtual_pool import VirtualPool

_NUMBERS = ("accuracy", "test", "seconds", "elapsed_seconds")
_COLUMNS = ("trial", *_NUMBERS, "decisions", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: everything that determines its result, and the path of the table.

    Attributes:
        path: Path of the table.
        format: Version of the result file.
        space: Kind of the table (see `experiments.benchmark.tables`).
        table: SHA-256 digest of the table.
        controller: Name of the controller, with settings as given on the command line.
        settings: All settings of the controller, and those of its wrapper under ``wrapper``.
        failure_reward: Reward of a failure, as in a search with default settings.
        seed: Of the run; each strategy derives its own seed from it.
        rungs: Columns of validation accuracy by epochs, for early stopping; empty for none.
        eta: One in `eta` of the trials that reach a rung goes on.
        objectives: Names of the objectives of a search for a front, see `nas.objectives`; empty for none.
        costs: SHA-256 digest of the file with further columns; empty if there is none. Its path is `costs_path`.
    """

    path: str
    format: int = 3
    space: str = "nasbench201"
    table: str
    columns: Columns
    controller: str
    settings: Mapping[str, Any]
    num_workers: int
    num_trials: int
    failure_reward: float = 0.0
    seed: int
    rungs: Mapping[int, str] = field(default_factory=dict)
    eta: float = 3.0
    objectives: tuple[str, ...] = ()
    costs: str = ""
    costs_path: str = ""

    @property
    def key(self) -> dict[str, Any]:
        """Everything that determines the result, as plain data for JSON; rungs and objectives only if any."""
        hidden = {"path", "costs_path"} | (set() if self.rungs else {"rungs", "eta"})
        hidden |= set() if self.objectives else {"objectives", "costs"}
        value = {name: item for name, item in asdict(self).items() if name not in hidden}
        if self.objectives:
            value["objectives"] = list(self.objectives)
        return value | ({"rungs": {str(epochs): column for epochs, column in self.rungs.items()}} if self.rungs else {})

    @property
    def strategy(self) -> str:
        """Controller with its settings, the number of workers if there are several, and the rungs if any."""
        rungs = f", rungs {','.join(map(str, self.rungs))} eta {self.eta:g}" if self.rungs else ""
        return self.controller + (f", {self.num_workers} workers" if self.num_workers > 1 else "") + rungs

    @property
    def name(self) -> str:
        """Strategy and seed."""
        return f"{self.strategy}, seed {self.seed}"

    @property
    def derived_seed(self) -> int:
        """Seed of the run; it differs between strategies, so that their first random trials differ."""
        return int.from_bytes(hashlib.sha256(f"{self.strategy}, {self.seed}".encode()).digest()[:6])

    def file(self, folder: Path) -> Path:
        """Path of the result."""
        rungs = f",rungs={'-'.join(map(str, self.rungs))},eta={self.eta:g}" if self.rungs else ""
        return folder / f"{self.controller.replace(':', ',')},workers={self.num_workers}{rungs},seed={self.seed}.json"

    def stored(self, folder: Path) -> dict[str, Any] | None:
        """Returns the stored result, or None if there is none; raises ValueError if it has another configuration."""
        file = self.file(folder)
        if not file.exists():
            return None
        try:
            result = read_json(file)
        except ValueError as error:
            raise ValueError(f"{file} does not hold a run: {error}") from None
        key = result.get("key") if isinstance(result, dict) else None
        old = dict(flatten(key)) if isinstance(key, dict) else {}
        new = dict(flatten(self.key))
        if old != new:
            names = (name for name in sorted({*old, *new}) if old.get(name) != new.get(name))
            lines = (f"{name}: {old.get(name)!r:.80} in the folder, {new.get(name)!r:.80} requested" for name in names)
            different = "; ".join(lines)
            raise ValueError(f"{file} holds a run with another configuration ({different}); choose another --out")
        return dict(result)

    def read(self, folder: Path) -> tuple[Run, Sequence[int]]:
        """Returns the run for the comparison, and its trial ids in the order of finishing."""
        result = self.stored(folder)
        if result is None:
            raise RuntimeError(f"{self.file(folder)} does not exist")
        columns = {name: np.array(result[name], dtype=float) for name in _NUMBERS}
        if self.objectives:
            reference, total = _true_front(self.space, self.path, self.columns, self.objectives, self.costs_path)
            columns["hypervolume"] = hypervolume_curve(result["values"], reference) / total
        run = Run(self.name, **columns, fingerprints=result["decisions"], statuses=result["status"])
        return run, result["trial"]


def controller_settings(controller: str) -> dict[str, Any]:
    """Returns all settings of a controller and its wrapper, given as ``ppo:batch_size=5:wrapper=fresh``.

    Settings of the wrapper have the form ``wrapper.num_draws=20``. Raises ValueError if they are not valid.
    """
    name, *pairs = controller.split(":")
    section: dict[str, Any] = {"name": name}
    wrapper: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        target, key = (wrapper, key.partition(".")[2] or "name") if key.split(".")[0] == "wrapper" else (section, key)
        if not equals or key in target:
            came = f"got {pair!r:.100} in {controller!r:.200}"
            raise ValueError(f"settings of a controller must be KEY=VALUE, each key once, {came}")
        try:
            target[key] = parse_yaml(value)
        except ValueError as error:
            raise ValueError(f"the value of {key} in {controller!r:.200} {error}") from None
    parsed = parse_controller(section), parse_wrapper(wrapper, section)
    described, around = (
        {"name": name} | ({} if settings is None else dump_settings(settings)) for name, settings in parsed
    )
    return {**described, "wrapper": around}


@lru_cache(maxsize=1)
def load_table(
    space: str,
    path: str,
    columns: Columns,
    rungs: tuple[tuple[int, str], ...] = (),
    metrics: tuple[str, ...] = (),
    costs: str = "",
) -> tuple[Table, SearchSpace]:
    """Reads a table and the space of its architectures, once per process; see `TableKind.load`."""
    further = Path(costs) if costs else None
    return TABLES[space].load(Path(path), columns, dict(rungs), metrics=metrics, costs=further)


def job_table(job: Job) -> tuple[Table, SearchSpace]:
    """The table of a run and the space of its architectures."""
    rungs = tuple(job.rungs.items())
    return load_table(job.space, job.path, job.columns, rungs, metric_columns(job.objectives), job.costs_path)


@lru_cache(maxsize=1)
def _true_front(space: str, path: str, columns: Columns, objectives: tuple[str, ...], costs: str) -> tuple[Any, float]:
    """Reference point and hypervolume of the true front of a table, once per process."""
    table, _ = load_table(space, path, columns, (), metric_columns(objectives), costs)
    return true_front(table, objectives)


def run_jobs(jobs: Sequence[Job], folder: Path, num_processes: int, console: Console) -> None:
    """Runs jobs in parallel; each writes its result when it finishes."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    number = min(num_processes, len(jobs))
    executor = ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=_start_process)
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
    """Executes a run and writes its result atomically; architectures evaluated before come from the cache."""
    table, space = job_table(job)
    section = {name: value for name, value in job.settings.items() if name != "wrapper"}
    strategy = parse_controller(section), parse_wrapper(job.settings["wrapper"], section)
    objectives = Objectives.of(job.objectives) if job.objectives else None
    controller = build_controller(space, *strategy, seed=job.derived_seed, num_objectives=len(job.objectives))
    reward: Reward = RankedReward(Accuracy(), job.rungs, job.eta) if job.rungs else Accuracy()
    plan = SearchPlan(
        Fidelity(),
        job.num_trials,
        seed=job.derived_seed,
        reward=reward,
        failure_reward=job.failure_reward,
        objectives=objectives,
    )
    rows, values = [], []
    with VirtualPool(table, num_workers=job.num_workers) as pool:
        evaluating: Pool = RungPool(pool, sorted(job.rungs), job.eta) if job.rungs else pool
        for trial, outcome in search(space, controller, CachingPool(evaluating), plan):
            rows.append(_row(trial, outcome, pool.now_seconds))
            values.append(objectives(outcome) if objectives and isinstance(outcome, Success) else None)
    result: dict[str, Any] = {"key": job.key} | dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    if objectives is not None:
        result["values"] = values
    write_text(job.file(folder), json.dumps(result) + "\n")


def _row(trial: Trial, outcome: Outcome, now_seconds: float) -> tuple[Any, ...]:
    """Returns the values of `_COLUMNS` for a trial."""
    times, decisions = (outcome.train_seconds, now_seconds), "-".join(map(str, trial.rollout.decisions))
    if isinstance(outcome, Failure):
        return trial.id, None, None, *times, decisions, outcome.kind
    if outcome.stopped_after is not None:
        return trial.id, None, None, *times, decisions, STOPPED
    status = CACHED if outcome.cached else SUCCESS
    return trial.id, outcome.accuracy, outcome.metrics[TEST_ACCURACY], *times, decisions, status


def _start_process() -> None:
    """Limits a process to one thread, and leaves Ctrl-C to its parent."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """Ends this process when its parent has ended, since waiting for its queue would never return."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
