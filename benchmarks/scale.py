"""Measures a search of tens of thousands of trials: CPU time per trial, memory, disk, resuming, `nas status`.

    OMP_NUM_THREADS=1 python benchmarks/scale.py --trials 20000 --out runs/scale

Trials do nothing; all else is as in `nas search`: Ray, cache, ledger, and 50 decisions per trial. The same command
resumes an interrupted run and measures only what is missing. The cost of a thousand trials is the CPU time of the
driving process, so that other programs matter little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from controllers.ppo import PPO
from controllers.random_search import RandomSearch
from experiments.runs.run_folder import RunFolder
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger
from nas.protocols import Pool
from nas.search import SearchPlan, search
from nas.trial import Success, Trial
from search_spaces.nasnet import NASNET
from workers.cluster.connection import connect
from workers.pools.caching_pool import CachingPool
from workers.pools.ray_pool import RayPool
from workers.pools.serial_pool import SerialPool

SPACE = replace(NASNET, norms=("bn",))
"""NASNet's own 50 choices."""
CONTROLLERS: dict[str, Callable[[], Any]] = {
    "random": lambda: RandomSearch(SPACE.choices, seed=0),
    "ppo": lambda: PPO(SPACE.choices, seed=0),
}


def nothing(trial: Trial) -> Success:
    """A child whose accuracy follows from the architecture, so that a policy has something to learn."""
    return Success(trial.id, int(trial.architecture.fingerprint[:4], 16) / 0xFFFF)


@contextmanager
def open_pool(name: str) -> Iterator[Pool]:
    if name == "serial":
        with SerialPool(nothing) as pool:
            yield pool
    else:
        with connect(num_cpus=2), RayPool(nothing) as pool:
            yield pool


def drive(controller: str, folder: RunFolder, options: argparse.Namespace) -> None:
    """Searches to the end, and notes what each thousand trials cost that this process has seen from first to last."""
    folder.path.mkdir(parents=True, exist_ok=True)
    settings = {
        "search": {"num_trials": options.trials},
        "space": {"name": "nasnet"},
        "controller": {"name": controller},
    }
    folder.write_config(settings)
    with Ledger(folder.ledger) as ledger, open_pool(options.pool) as inner:
        done, started = len(ledger.contents.finished), None
        known = [(record.trial, record.outcome) for record in ledger.contents.finished]
        plan = SearchPlan(Fidelity(), options.trials)
        for _ in search(SPACE, CONTROLLERS[controller](), CachingPool(inner, known), plan, ledger=ledger):
            done += 1
            if done % options.every == 0:
                now = time.process_time(), time.perf_counter()
                spent = [0.0, 0.0] if started is None else [a - b for a, b in zip(now, started, strict=True)]
                note(folder, done, spent, is_whole=started is not None)
                started = now


def note(folder: RunFolder, done: int, spent: list[float], *, is_whole: bool) -> None:
    measure: dict[str, Any] = {"done": done, "memory_mib": memory_mib()}
    if is_whole:
        measure |= {"cpu_seconds": spent[0], "seconds": spent[1]}
    with (folder.path / "measures.jsonl").open("a") as file:
        file.write(json.dumps(measure) + "\n")
    print(f"{folder.path.name}: {measure}", flush=True)


def memory_mib() -> float:
    """Resident memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def timed(words: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of a command."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu


def row(controller: str, folder: RunFolder, options: argparse.Namespace) -> str:
    """A line of the table: what the run's own processes noted, and what reading it again takes."""
    again = [sys.executable, __file__, "--drive", controller, "--out", str(options.out)]
    again += ["--trials", str(options.trials), "--every", str(options.every), "--pool", "serial"]
    resume, resume_cpu = timed(again)
    status, status_cpu = timed([sys.executable, "-m", "experiments.cli", "status", str(folder.path)])
    measures = [json.loads(line) for line in (folder.path / "measures.jsonl").read_text().splitlines()]
    by_end = {measure["done"]: measure for measure in measures}
    first, second, last = (by_end[number] for number in (options.every, 2 * options.every, options.trials))
    early, late = (1000 * measure["cpu_seconds"] / options.every for measure in (second, last))
    return (
        f"| {controller} | {early:.2f} | {late:.2f} | {late / early:.2f} | "
        f"{last['memory_mib'] - first['memory_mib']:.0f} | {folder.ledger.stat().st_size / 1e6:.1f} | "
        f"{resume:.1f} ({resume_cpu:.1f}) | {status:.1f} ({status_cpu:.1f}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=1000, help="trials that are measured together")
    parser.add_argument("--pool", choices=("ray", "serial"), default="ray")
    parser.add_argument("--controller", choices=CONTROLLERS, action="append", help="may be given twice; default: both")
    parser.add_argument("--out", type=Path, default=Path("runs/scale"))
    parser.add_argument("--drive", choices=CONTROLLERS, help="only search; what the benchmark calls itself with")
    options = parser.parse_args()
    if options.trials < 3 * options.every or options.trials % options.every:
        parser.error("--trials must be at least three times --every, and a multiple of it")
    if options.drive:
        drive(options.drive, RunFolder(options.out / options.drive), options)
        return
    rows = []
    for controller in options.controller or CONTROLLERS:
        folder = RunFolder(options.out / controller)
        words = [sys.executable, __file__, "--drive", controller, "--out", str(options.out), "--pool", options.pool]
        subprocess.run([*words, "--trials", str(options.trials), "--every", str(options.every)], check=True)
        rows.append(row(controller, folder, options))
    head = ("controller", "ms CPU a trial, 2nd thousand", "last", "ratio", "memory MiB more", "ledger MB")
    head += ("resume s (CPU)", "status s (CPU)")
    print("\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *rows]))


if __name__ == "__main__":
    main()
