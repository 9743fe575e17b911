"""`nas benchmark`: controllers compared on a table of measurements, with many seeds and any number of logical workers.

Each run is the real search loop, with a pool whose clock is virtual. A run is kept in a file of its own, written at
once when it ends, so the same call continues what was interrupted, and a larger one adds what is missing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from itertools import product
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.compare import write_comparison
from experiments.comparison import compare_strategies
from experiments.config import CONTROLLERS, parse_config
from experiments.curves import Run, Strategy
from experiments.sections import dump_settings
from experiments.yaml_file import parse_yaml
from nas.fidelity import Fidelity
from nas.json_text import parse_json
from nas.search import Plan, search
from nas.trial import Success
from search_spaces.nasbench201 import EdgeSpace
from workers.table import TEST_ACCURACY, Columns, Table, read_table
from workers.virtual_pool import VirtualPool

_FORMAT = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Benchmark:
    """What is compared on which table.

    Attributes:
        table: a table file (see `workers.table`) of cells with one operation an edge.
        controllers: keys of `experiments.config.CONTROLLERS`; settings other than the defaults follow, set off by
            colons: ``evolution:population_size=10:tournament_size=3``, ``ppo:preset=nasnet``.
        num_trials: of each run.
        num_seeds: runs of each controller, with seeds from 0.
        num_workers: numbers of logical workers; each controller runs with each.
        valid: the column of the table that a search sees; None: the last one.
        num_processes: runs at a time; None: one for each core.
    """

    table: Path
    controllers: Sequence[str] = ("ppo", "reinforce", "evolution", "random")
    num_trials: int = 400
    num_seeds: int = 100
    num_workers: Sequence[int] = (1,)
    valid: str | None = None
    num_processes: int | None = None

    def __post_init__(self) -> None:
        for name in ("controllers", "num_workers"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name} must be one or more, each once, got {', '.join(map(str, values)) or 'none'}")
        for name, value in (
            ("num_trials", self.num_trials),
            ("num_seeds", self.num_seeds),
            *(("num_workers", number) for number in self.num_workers),
            ("num_processes", 1 if self.num_processes is None else self.num_processes),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    def jobs(self) -> list[_Job]:
        """All runs, the first seeds of all strategies first."""
        table = self.table.resolve()
        digest = hashlib.sha256(table.read_bytes()).hexdigest()
        columns = read_table(table, Columns(valid=self.valid)).columns
        settings = {controller: _settings(controller) for controller in self.controllers}
        return [
            _Job(
                str(table),
                {
                    "format": _FORMAT,
                    "table": digest,
                    "columns": dataclasses.asdict(columns),
                    "controller": controller,
                    "settings": settings[controller],
                    "num_workers": num_workers,
                    "num_trials": self.num_trials,
                    "seed": seed,
                },
            )
            for seed, num_workers, controller in product(range(self.num_seeds), self.num_workers, self.controllers)
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """One run: the table's path, and all that its result depends on."""

    table: str
    key: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.strategy}, seed {self.key['seed']}"

    @property
    def strategy(self) -> str:
        number = self.key["num_workers"]
        return f"{self.key['controller']}, {number} workers" if number > 1 else str(self.key["controller"])

    def file(self, folder: Path) -> Path:
        controller = self.key["controller"].replace(":", ",")
        return folder / f"{controller},workers={self.key['num_workers']},seed={self.key['seed']}.json"


def run_benchmark(benchmark: Benchmark, out: Path, console: Console) -> dict[str, Any]:
    """Runs what is missing in a folder, then compares all that was asked for.

    Args:
        benchmark: what is compared.
        out: the folder for runs (in ``runs/``) and results; made if missing. With several numbers of workers, each has
            a folder of its own in it, and so has each controller, where its numbers of workers are compared.
        console: shows a progress bar if it is a terminal.

    Returns:
        Comparisons by folder (see `experiments.comparison.compare_strategies`), ``files`` naming what was written.

    Raises:
        ValueError: if the table or a controller is not valid, or the folder holds a run made in another way; the
            message shows the difference.
    """
    jobs = benchmark.jobs()
    folder = out / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if _stored(job, folder) is None]
    if missing:
        _run_all(missing, folder, benchmark.num_processes or _num_cores(), console)
    comparisons = {}
    for name, strategies in _groups(benchmark, jobs, folder):
        comparison = compare_strategies(strategies)
        comparisons[name] = comparison | {"files": write_comparison(comparison, out / name)}
    return comparisons


def _settings(controller: str) -> dict[str, Any]:
    """All settings of a controller, from its name and what follows it."""
    name, *pairs = controller.split(":")
    section: dict[str, Any] = {"name": name}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"a setting of a controller must be KEY=VALUE, got {pair!r:.100} in {controller!r:.200}")
        section[key] = _parse_value(key, value)
    settings = _parse(section)
    return {"name": name} | ({} if settings is None else dump_settings(settings))


def _parse_value(key: str, text: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"the value of {key} {error}") from None


def _parse(section: dict[str, Any]) -> Any:  # noqa: ANN401 - the settings of any controller
    return parse_config({"controller": section, "search": {"num_trials": 1}}).controller


def _stored(job: _Job, folder: Path) -> dict[str, Any] | None:
    """The result of a run, or None if it is missing; raises ValueError if it was made in another way."""
    file = job.file(folder)
    try:
        result = parse_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{file} does not hold a run: {error}") from None
    key = result.get("key") if isinstance(result, dict) else None
    if key != job.key:
        made = key if isinstance(key, dict) else {}
        differing = [name for name in job.key if made.get(name) != job.key[name]]
        was = ", ".join(f"{name} {made.get(name)!r:.80} and not {job.key[name]!r:.80}" for name in differing)
        raise ValueError(f"{file} was made with {was}; choose another folder")
    return dict(result)


def _run_all(jobs: Sequence[_Job], folder: Path, num_processes: int, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    executor = ProcessPoolExecutor(
        min(num_processes, len(jobs)), mp_context=get_context("spawn"), initializer=_start_process
    )
    with executor, Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("runs", total=len(jobs))
        futures = [executor.submit(_run, job, folder) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                progress.advance(task)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


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


@lru_cache(maxsize=1)
def _table(path: str, columns: Columns) -> tuple[Table, EdgeSpace]:
    """Read once a process."""
    table = read_table(Path(path), columns)
    return table, EdgeSpace.of(table.rows)


def _run(job: _Job, folder: Path) -> None:
    """One run, kept in its file, which appears only when it is complete."""
    key = job.key
    table, space = _table(job.table, Columns(**key["columns"]))
    parsed = _parse(key["settings"])
    settings = () if parsed is None else (parsed,)
    build = CONTROLLERS[key["settings"]["name"]].build
    plan = Plan(Fidelity(), key["num_trials"], seed=key["seed"])
    rows = []
    with VirtualPool(table, num_workers=key["num_workers"]) as pool:
        for trial, outcome in search(space, build(space.choices, *settings, seed=key["seed"]), pool, plan):
            accuracy, test = None, None
            if isinstance(outcome, Success):
                accuracy, test = outcome.accuracy, outcome.metrics[TEST_ACCURACY]
            decisions = "-".join(map(str, trial.rollout.decisions))
            rows.append((accuracy, test, outcome.train_seconds, pool.now_seconds, decisions))
    names = ("accuracy", "test", "seconds", "elapsed_seconds", "decisions")
    result = {"key": key} | dict(zip(names, zip(*rows, strict=True), strict=True))
    file = job.file(folder)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(result) + "\n", encoding="utf-8")
    temporary.replace(file)


def _groups(benchmark: Benchmark, jobs: Sequence[_Job], folder: Path) -> Iterator[tuple[str, list[Strategy]]]:
    """The strategies of each comparison, with the name of its folder."""
    runs: dict[tuple[str, int], list[_Job]] = {}
    for job in jobs:
        runs.setdefault((job.key["controller"], job.key["num_workers"]), []).append(job)
    several = len(benchmark.num_workers) > 1
    for number in benchmark.num_workers:
        group = [_strategy(runs[name, number], folder) for name in benchmark.controllers]
        yield f"{number}-workers" if several else "", group
    for name in benchmark.controllers if several else ():
        yield name.replace(":", ","), [_strategy(runs[name, number], folder) for number in benchmark.num_workers]


def _strategy(jobs: Sequence[_Job], folder: Path) -> Strategy:
    settings = jobs[0].key["settings"] | {"num_workers": jobs[0].key["num_workers"]}
    return Strategy(jobs[0].strategy, tuple(_read_run(job, folder) for job in jobs), settings)


def _read_run(job: _Job, folder: Path) -> Run:
    result = _stored(job, folder)
    if result is None:
        raise RuntimeError(f"{job.file(folder)} has vanished")
    try:
        return Run(
            job.name,
            np.array(result["accuracy"], dtype=float),
            np.array(result["seconds"], dtype=float),
            test=np.array(result["test"], dtype=float),
            fingerprints=[str(name) for name in result["decisions"]],
            elapsed_seconds=np.array(result["elapsed_seconds"], dtype=float),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{job.file(folder)} does not hold a run: {type(error).__name__} {error}") from None


def _num_cores() -> int:
    """Those this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
