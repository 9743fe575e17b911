"""`nas benchmark`: compares controllers on a table of evaluated architectures, over seeds and numbers of workers.

Each run has a virtual clock and its own result file. The same command resumes, and one with more seeds, workers or
controllers adds the missing runs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.benchmark.jobs import Job, controller_settings, job_table, run_jobs
from experiments.benchmark.objectives import check_sizes, objective_names
from experiments.benchmark.tables import TABLES
from experiments.comparison.analysis import compare_strategies
from experiments.comparison.curves import SUCCESS, Strategy
from experiments.comparison.loading import split_common
from experiments.comparison.results import BestArchitecture, Comparison
from experiments.comparison.run import write_comparison
from experiments.config.parsing.sections import flatten
from experiments.runs.environment import describe_environment, num_cpus
from experiments.runs.printing import say
from nas.files.storage import make_folder
from nas.rungs import Rungs
from workers.evaluators.table import Columns

_MOST = {"num_trials": 10**7, "num_seeds": 10**5, "num_workers": 10**6, "num_processes": 10**4}


@dataclasses.dataclass(frozen=True, slots=True)
class Benchmark:
    """A comparison of controllers on a table.

    Attributes:
        table: A table file, in the format of its kind.
        controllers: Names, with settings after colons: ``evolution:population_size=10:tournament_size=3``.
        num_trials: Number of trials of each run.
        num_seeds: Number of runs of each controller, with seeds from 0.
        num_workers: Numbers of logical workers; each controller runs with each of them.
        columns: Columns of the table: validation, test and cost.
        num_processes: Number of runs at a time; None is the number of cores.
        rungs: Early stopping: columns of validation accuracy by epochs of a shorter training; empty for none.
        eta: One in `eta` of the trials that reach a rung goes on.
        space: Kind of the table, a key of `experiments.benchmark.tables.TABLES`.
        objectives: Of a search for a front, compared by the share of the true front's hypervolume: accuracy,
            parameters, multiply_adds, or columns of which less is better, unless ``:max`` follows; empty for none.
        costs: File with these columns, by ``arch``; None if they are in the table.
    """

    table: Path
    controllers: Sequence[str] = ("ppo", "reinforce", "evolution", "random")
    num_trials: int = 400
    num_seeds: int = 100
    num_workers: Sequence[int] = (1,)
    columns: Columns = Columns()
    num_processes: int | None = None
    rungs: Mapping[int, str] = dataclasses.field(default_factory=dict)
    eta: float = 3.0
    space: str = "nasbench201"
    objectives: Sequence[str] = ()
    costs: Path | None = None

    def __post_init__(self) -> None:
        for name in ("controllers", "num_workers"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name} must be one or more, each once, got {', '.join(map(str, values)) or 'none'}")
        Rungs(tuple(sorted(self.rungs)), eta=self.eta)
        for name, most in _MOST.items():
            values = self.num_workers if name == "num_workers" else (getattr(self, name),)
            for value in values:
                if value is not None and not 1 <= value <= most:
                    raise ValueError(f"{name} must be between 1 and {most:,}, got {value:,}")

    def jobs(self) -> list[Job]:
        """Returns all runs, ordered by seed; raises ValueError if the table or the controllers are not valid."""
        settings = {controller: controller_settings(controller) for controller in self.controllers}
        for first, second in combinations(settings, 2):
            if settings[first] == settings[second]:
                raise ValueError(f"controllers must differ in their settings, got {first} and {second}")
        table = self.table.resolve()
        columns = TABLES[self.space].read(table, self.columns, rungs=self.rungs).columns
        digest = hashlib.sha256(table.read_bytes()).hexdigest()
        make = partial(
            Job, space=self.space, path=str(table), table=digest, columns=columns, num_trials=self.num_trials
        )
        if self.objectives:
            make = partial(make, **self._front(table))
        if self.rungs:
            make = partial(make, rungs=dict(sorted(self.rungs.items())), eta=self.eta)
        jobs = [
            make(controller=name, settings=settings[name], num_workers=number, seed=seed)
            for seed, number, name in product(range(self.num_seeds), self.num_workers, self.controllers)
        ]
        if self.objectives:
            job_table(jobs[0])
        return jobs

    def _front(self, table: Path) -> dict[str, Any]:
        """What a job has to know of the objectives."""
        if self.rungs:
            raise ValueError("a search for a front cannot have rungs: its objectives do not compare across epochs")
        if self.costs is None:
            return {"objectives": objective_names(self.objectives, table)}
        costs = self.costs.resolve()
        names, digest = objective_names(self.objectives, costs), hashlib.sha256(costs.read_bytes()).hexdigest()
        return {"objectives": names, "costs": digest, "costs_path": str(costs)}


def run_benchmark(benchmark: Benchmark, out: Path, console: Console) -> dict[str, Comparison]:
    """Executes the runs that are missing in a folder, then compares all runs of the benchmark.

    Returns the comparisons by folder, below `out`. With several numbers of workers, each of them and each controller
    has its own comparison.

    Raises:
        ValueError: If the table or a controller is not valid, the folder holds a run with another configuration, or no
            trial of a run was successful.
        OSError: If the table cannot be read.
    """
    jobs = benchmark.jobs()
    table, space = job_table(jobs[0])
    check_sizes(table, jobs[0].objectives)
    chosen = jobs[0].columns
    say(console, f"{benchmark.table}: accuracy is {chosen.valid}, tested by {chosen.test}, time {chosen.seconds}")
    held, total = len(table.rows), math.prod(choice.num_options for choice in space.choices)
    if held < total:
        say(console, f"{benchmark.table}: {held:,} of the space's {total:,} architectures; the others are failures")
    folder = out / "runs"
    make_folder(folder)
    if missing := [job for job in jobs if job.stored(folder) is None]:
        run_jobs(missing, folder, benchmark.num_processes or num_cpus(), console)
    comparisons = {}
    for name, groups in _groups(benchmark, jobs):
        comparison = _compare(groups, folder)
        files = write_comparison(comparison, out / name)
        comparisons[name] = dataclasses.replace(comparison, files=tuple(files))
    return comparisons


def _groups(benchmark: Benchmark, jobs: Sequence[Job]) -> Iterator[tuple[str, list[list[Job]]]]:
    """Yields the folder name of each comparison, and the runs of each of its strategies."""
    runs: dict[tuple[str, int], list[Job]] = {}
    for job in jobs:
        runs.setdefault((job.controller, job.num_workers), []).append(job)
    several = len(benchmark.num_workers) > 1
    for number in benchmark.num_workers:
        yield f"{number}-workers" if several else "", [runs[name, number] for name in benchmark.controllers]
    for name in benchmark.controllers if several else ():
        yield name.replace(":", ","), [runs[name, number] for number in benchmark.num_workers]


def _compare(groups: Sequence[Sequence[Job]], folder: Path) -> Comparison:
    strategies: list[Strategy] = []
    trials: dict[str, Sequence[int]] = {}
    for jobs in groups:
        read = {job.name: job.read(folder) for job in jobs}
        for name, (run, _) in read.items():
            if SUCCESS not in run.status_of_trials:
                raise ValueError(f"{name}: no trial was successful; the table must hold more of the space")
        settings = dict(flatten(jobs[0].settings))
        trials |= {name: ids for name, (_, ids) in read.items()}
        strategies.append(Strategy(jobs[0].strategy, tuple(run for run, _ in read.values()), settings))
    return dataclasses.replace(
        compare_strategies(strategies).with_best(lambda best: _describe(best, groups[0][0], trials)),
        configuration=split_common({jobs[0].strategy: _configuration(jobs) for jobs in groups}),
        environment=split_common({"this comparison": dict(flatten(describe_environment()))}),
    )


def _describe(best: BestArchitecture, job: Job, trials: dict[str, Sequence[int]]) -> BestArchitecture:
    """Adds what the best cell of a strategy is, what it costs, and which trial it was."""
    table, space = job_table(job)
    cell = space.decode(tuple(map(int, str(best.fingerprint).split("-"))))
    row = table.rows[cell.to_json()["arch"]]
    return dataclasses.replace(
        best,
        trial=trials[best.run][best.place - 1],
        fingerprint=cell.fingerprint,
        architecture=cell.to_json(),
        num_parameters=row.num_parameters,
        num_multiply_adds=row.num_multiply_adds,
    )


def _configuration(jobs: Sequence[Job]) -> dict[str, Any]:
    """Returns the configuration of a strategy, by dotted key."""
    job = jobs[0]
    return {
        "table.space": job.space,
        "table.file": Path(job.path).name,
        "table.sha256": job.table,
        **{f"table.{name}": column for name, column in dataclasses.asdict(job.columns).items()},
        **{f"controller.{name}": value for name, value in flatten(job.settings)},
        **{name: getattr(job, name) for name in ("num_workers", "num_trials", "failure_reward")},
        "num_seeds": len(jobs),
        **({"objectives": ", ".join(job.objectives), "costs.sha256": job.costs} if job.objectives else {}),
    }
