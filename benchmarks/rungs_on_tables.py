"""Worker time that early stopping saves on NAS-Bench-201, with a simulated clock.

Run: ``nice python benchmarks/rungs_on_tables.py --table cifar10.csv --out rungs`` (resumes). For each controller, runs
without rungs of 400 full trials are compared with runs of rungs at 12 epochs: the worker-seconds after which the test
accuracy of the incumbent, averaged over seeds, reaches that of the runs without rungs at their end. The table's two
columns are separate trainings, so a trial that goes on pays for both.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from experiments.benchmark.jobs import Job, run_jobs
from experiments.benchmark.run import Benchmark

RUNGS = {12: "valid_accuracy_12ep"}


def mean_test(jobs: Sequence[Job], folder: Path, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over runs of the incumbent's test accuracy after given worker-seconds; NaN before the first incumbent."""
    curves = []
    for job in jobs:
        run, _ = job.read(folder)
        spent = np.cumsum(run.seconds)
        after = np.searchsorted(spent, seconds, side="right") - 1
        curve = run.curves["incumbent_test"]
        curves.append(np.where(after >= 0, curve[np.maximum(after, 0)], np.nan))
    return np.mean(curves, axis=0)


def compare(full: Sequence[Job], stopped: Sequence[Job], folder: Path) -> str:
    """Describes the saving in one line."""
    totals = [job.read(folder)[0].seconds.sum() for job in full]
    goal = np.mean([job.read(folder)[0].curves["incumbent_test"][-1] for job in full])
    grid = np.linspace(0, np.mean(totals), 4001)[1:]
    curve = mean_test(stopped, folder, grid)
    reached = np.flatnonzero(curve >= goal)
    share = f"{grid[reached[0]] / np.mean(totals):.3f} of the worker-seconds" if len(reached) else "never"
    spent = np.mean([job.read(folder)[0].seconds.sum() for job in stopped]) / np.mean(totals)
    end = np.mean([job.read(folder)[0].curves["incumbent_test"][-1] for job in stopped])
    return (
        f"goal {goal:.4%} after {np.mean(totals):,.0f} s; reached after {share}; at its end {end:.4%} after {spent:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--eta", type=float, default=8.0)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--more", type=int, default=800, help="trials of the runs with rungs")
    parser.add_argument("--controllers", default="random,evolution,reinforce,ppo")
    options = parser.parse_args()
    folder = options.out / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.controllers.split(","):
        common = {"table": options.table, "controllers": (name,), "num_seeds": options.seeds}
        full = Benchmark(num_trials=options.trials, **common).jobs()
        stopped = Benchmark(num_trials=options.more, rungs=RUNGS, eta=options.eta, **common).jobs()
        missing = [job for job in (*full, *stopped) if job.stored(folder) is None]
        if missing:
            run_jobs(missing, folder, 1, Console())
        print(f"{name}, eta {options.eta:g}: {compare(full, stopped, folder)}", flush=True)


if __name__ == "__main__":
    main()
