"""Measures how many trials one machine's Ray runs at a time: as many logical workers as memory allows, all kept busy.

    OMP_NUM_THREADS=1 python benchmarks/in_flight.py --workers 64 --seconds 60

Trials only sleep, so that two cores can stand for many machines. Checks that all workers run at once, that none is left
without a trial, and that no trial waits in the queue for long once a worker is free.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

from controllers.ppo import PPO
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger
from nas.search import SearchPlan, search
from nas.trial import Success, Trial
from search_spaces.nasnet import NASNET
from workers.cluster.connection import connect
from workers.pools.ray_pool import RayPool

SPACE = replace(NASNET, norms=("bn",))


def sleep(trial: Trial, seconds: float) -> Success:
    started = time.time()
    time.sleep(seconds)
    accuracy = int(trial.architecture.fingerprint[:4], 16) / 0xFFFF
    return Success(trial.id, accuracy, metrics={"started": started, "ended": time.time(), "process": os.getpid()})


def available_gib() -> float:
    """Available memory of the machine."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0, help="that a child sleeps")
    parser.add_argument("--rounds", type=int, default=3, help="children of each worker")
    options = parser.parse_args()
    # Two cores take a while to start so many processes.
    os.environ.setdefault("RAY_worker_register_timeout_seconds", "600")
    before, start = available_gib(), time.time()
    outcomes, least = [], before
    plan = SearchPlan(Fidelity(), options.rounds * options.workers)
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(num_cpus=options.workers),
        Ledger(Path(folder) / "ledger.jsonl") as ledger,
        RayPool(sleep, arguments={"seconds": options.seconds}) as pool,
    ):
        for _, outcome in search(SPACE, PPO(SPACE.choices, seed=0), pool, plan, ledger=ledger):
            if not isinstance(outcome, Success):
                raise RuntimeError(f"a child failed: {outcome}")
            outcomes.append(outcome.metrics)
            least = min(least, available_gib())
    changes = sorted([(m["started"], 1) for m in outcomes] + [(m["ended"], -1) for m in outcomes])
    running = list(accumulate(change for _, change in changes))
    full = [moment for (moment, _), number in zip(changes, running, strict=True) if number == max(running)]
    per_process = Counter(m["process"] for m in outcomes)
    idle = []
    for process in per_process:
        own = sorted((m["started"], m["ended"]) for m in outcomes if m["process"] == process)
        idle += [after - ended for (_, ended), (after, _) in pairwise(own)]
    print(f"{len(outcomes)} children of {options.seconds:g} s on {options.workers} logical workers")
    print(f"most at a time: {max(running)}, first after {full[0] - start:.0f} s")
    print(f"children of a process: {min(per_process.values())} to {max(per_process.values())}")
    print(f"between two children of a process: {max(idle, default=0):.2f} s at most")
    print(f"memory: {(before - least) / options.workers * 1024:.0f} MiB a worker, Ray's own share included")


if __name__ == "__main__":
    main()
