"""Measures the overhead of a search: idle workers, and trials per second with trials that do nothing.

Runs the search loop on a RayPool, and Ray Tune with reused actors, on the same Ray, one after the other::

    python benchmarks/pool_overhead.py --trials 100 --seconds 1 --workers 2 --controller ppo

With ``--rungs 1 2 3``, the search stops trials early: each of up to four epochs is a part of its own of ``--seconds``.

A worker's time counts as used from the first line of the evaluator to the last. It is summed over all trials and
divided by (number of workers) x (end of the last trial - start of the first). Where there is a choice, Tune gets the
advantage: one number per trial instead of 50 decisions, no loggers and no checkpoints.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray import tune

from controllers.ppo import PPO
from controllers.random_search import RandomSearch
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger
from nas.rewards import Accuracy
from nas.rungs import RankedReward, RungReport
from nas.search import SearchPlan, search
from nas.trial import Success, Trial
from search_spaces.nasnet import NASNET
from workers.cluster.connection import connect
from workers.cluster.resources import WorkerResources
from workers.pools.ray_pool import RayPool
from workers.pools.rung_pool import RungPool

SPACE = replace(NASNET, norms=("bn",))
"""NASNet's own 50 choices."""
CONTROLLERS: dict[str, Callable[[], Any]] = {
    "random": lambda: RandomSearch(SPACE.choices, seed=0),
    "ppo": lambda: PPO(SPACE.choices, seed=0),
}


@dataclass(frozen=True)
class Cost:
    """One measurement.

    Attributes:
        what: who ran which children.
        trials: how many ended.
        idle_share: share of the workers' time between the first and the last child that is outside children.
        trials_per_second: from the first to the last child.
        total_seconds: from the call to its return, start-up and clean-up included.
        driver_cpu_seconds: processor time of the driving process.
    """

    what: str
    trials: int
    idle_share: float
    trials_per_second: float
    total_seconds: float
    driver_cpu_seconds: float


def sleep(trial: Trial, seconds: float) -> Success:
    """A child that only waits; its accuracy follows from the architecture, so that a policy has something to learn."""
    started = time.time()
    time.sleep(seconds)
    accuracy = int(trial.architecture.fingerprint[:4], 16) / 0xFFFF
    return Success(trial.id, accuracy, metrics={"started": started, "ended": time.time()})


class Sleep(tune.Trainable):
    """The same child for Tune, in an actor that is used again."""

    def setup(self, config: dict[str, Any]) -> None:
        """Takes the first configuration."""
        self.seconds = config["seconds"]

    def step(self) -> dict[str, Any]:
        """The child."""
        started = time.time()
        time.sleep(self.seconds)
        return {"accuracy": 0.5, "started": started, "ended": time.time(), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep; Tune asks for it at the end of every trial."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing was kept."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next configuration, and says that the actor may be used again."""
        self.seconds = new_config["seconds"]
        return True


def run_search(controller: str, options: argparse.Namespace, *, trials: int, seconds: float) -> Cost:
    """The loop of this project, with a ledger."""
    resources = WorkerResources(num_queued=options.queued, max_workers=options.workers)
    reward = RankedReward(Accuracy(), options.rungs, options.eta) if options.rungs else Accuracy()
    plan = SearchPlan(Fidelity(), trials, reward=reward)

    def run() -> Iterator[dict[str, float]]:
        reports: list[RungReport] = []

        def record(report: RungReport) -> None:
            ledger.append_report(report)
            reports.append(report)

        with (
            tempfile.TemporaryDirectory() as folder,
            Ledger(Path(folder) / "ledger.jsonl") as ledger,
            RungPool(
                RayPool(sleep, arguments={"seconds": seconds}, resources=resources),
                options.rungs,
                options.eta,
                record=record,
            ) as pool,
        ):
            for _, outcome in search(SPACE, CONTROLLERS[controller](), pool, plan, ledger=ledger):
                if not isinstance(outcome, Success):
                    raise RuntimeError(f"a child failed: {outcome}")
                if outcome.stopped_after is None:
                    yield dict(outcome.metrics)
        yield from (dict(report.outcome.metrics) for report in reports)

    rungs = f", rungs {'/'.join(map(str, options.rungs))}" if options.rungs else ""
    return measure(f"search, {controller}, {seconds:g} s{rungs}", run, options.workers)


def run_tune(options: argparse.Namespace, *, trials: int, seconds: float) -> Cost:
    """Ray Tune with reused actors."""

    def run() -> Iterable[dict[str, float]]:
        with tempfile.TemporaryDirectory() as folder:
            tuner = tune.Tuner(
                Sleep,
                param_space={"seconds": seconds, "number": tune.uniform(0, 1)},
                tune_config=tune.TuneConfig(
                    num_samples=trials, max_concurrent_trials=options.workers, reuse_actors=True
                ),
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            )
            with Path(folder, "output.txt").open("w") as output, redirect_stdout(output):
                results = tuner.fit()
            if results.errors:
                raise RuntimeError(f"{results.num_errors} of Tune's trials failed, the first: {results.errors[0]}")
            return [dict(results[number].metrics or {}) for number in range(len(results))]

    return measure(f"Ray Tune, {seconds:g} s", run, options.workers)


def measure(what: str, run: Callable[[], Iterable[dict[str, float]]], workers: int) -> Cost:
    """Runs to the end and adds up."""
    start, cpu = time.perf_counter(), time.process_time()
    metrics = list(run())
    total, cpu = time.perf_counter() - start, time.process_time() - cpu
    used = sum(m["ended"] - m["started"] for m in metrics)
    span = max(m["ended"] for m in metrics) - min(m["started"] for m in metrics)
    return Cost(what, len(metrics), 1 - used / (workers * span), len(metrics) / span, total, cpu)


def report(costs: list[Cost]) -> str:
    """A table in Markdown."""
    lines = ["| what | trials | idle | trials/s | total s | driver CPU s |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {c.what} | {c.trials} | {c.idle_share:.1%} | {c.trials_per_second:.2f} | {c.total_seconds:.1f} "
        f"| {c.driver_cpu_seconds:.1f} |"
        for c in costs
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.0, help="that a child sleeps")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queued", type=int, default=WorkerResources().num_queued, help="trials beyond the workers")
    parser.add_argument("--controller", choices=CONTROLLERS, action="append", help="may be given twice; default: both")
    parser.add_argument("--rungs", type=int, nargs="+", default=[], help="epochs; each part of a trial is one child")
    parser.add_argument("--eta", type=float, default=2.0)
    parser.add_argument("--noop-trials", type=int, default=1000, help="children that do nothing; 0 leaves them out")
    parser.add_argument("--no-tune", action="store_true")
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.seconds, options.noop_trials = 10, 0.2, 20
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # without loggers it warns that it cannot read their files

    costs = []
    with connect(num_cpus=options.workers):
        for controller in options.controller or CONTROLLERS:
            costs.append(run_search(controller, options, trials=options.trials, seconds=options.seconds))
            if options.noop_trials:
                costs.append(run_search(controller, options, trials=options.noop_trials, seconds=0.0))
            print(report(costs[-2:]), flush=True)
        if not options.no_tune:
            costs.append(run_tune(options, trials=options.trials, seconds=options.seconds))
            if options.noop_trials:
                costs.append(run_tune(options, trials=options.noop_trials, seconds=0.0))
    print(report(costs))
    if options.out:
        about = {
            "machine": platform.platform(),
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
            "ray": ray.__version__,
        }
        options.out.write_text(json.dumps({"about": about, "costs": [asdict(cost) for cost in costs]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
