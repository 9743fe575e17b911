"""Measures reading: a ledger of many trials, `nas status` of its run, and `nas compare` of many runs.

    OMP_NUM_THREADS=1 python benchmarks/reading.py --trials 100000 --runs 2000

The trials are random cells of NASNet's space; their outcomes are made up, so that only reading, statistics and writing
are measured. Each line of the output is CPU time of this process. `--profile FILE` writes a profile for `pstats`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from controllers.random_search import RandomSearch
from experiments.comparison.run import compare_runs
from experiments.config.kinds import SEARCH
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from experiments.search.status import run_status
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger, read_ledger
from nas.search import trial_seed
from nas.trial import Success, Trial
from search_spaces.nasnet import NASNET

SPACE = replace(NASNET, norms=("bn",))


def write_run(path: Path, num_trials: int, *, seed: int, controller: str) -> None:
    """Writes a run folder of random architectures with made-up accuracies."""
    folder, rng = RunFolder(path), np.random.default_rng(seed)
    path.mkdir(parents=True)
    request = ConfigRequest(
        "digits_random",
        settings=(f"search.seed={seed}", f"search.num_trials={num_trials}", f"controller.name={controller}"),
    )
    document = SearchConfig.parse(resolve(SEARCH, request), source="benchmark").to_document()
    folder.config.write_text(yaml.safe_dump(document), encoding="utf-8")
    proposer, fidelity = RandomSearch(SPACE.choices, seed=seed), Fidelity()
    with Ledger(folder.ledger) as ledger:
        for start in range(0, num_trials, 1000):
            ids = range(start, min(start + 1000, num_trials))
            trials = [
                Trial(number, rollout, SPACE.decode(rollout.decisions), fidelity, trial_seed(seed, number))
                for number, rollout in zip(ids, proposer.ask(ids), strict=True)
            ]
            ledger.append_asked(trials)
            for trial in trials:
                ledger.append_finished(Success(trial.id, float(rng.uniform(0.5, 0.9)), 10**6, 10**8, 10.0))


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Prints the CPU time of the with block."""
    start = time.process_time()
    yield
    print(json.dumps({"what": what, "cpu_seconds": round(time.process_time() - start, 2)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100_000, help="trials of the long ledger; 0 leaves it out")
    parser.add_argument("--runs", type=int, default=2000, help="runs to compare, half of each of two controllers")
    parser.add_argument("--trials-each", type=int, default=20, help="trials of each of these runs")
    parser.add_argument("--profile", type=Path, help="write a profile of the measured calls")
    given = parser.parse_args()
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as root:
        if given.trials:
            run = Path(root) / "long"
            write_run(run, given.trials, seed=0, controller="random")
            if given.profile:
                profile.enable()
            with measured(f"read_ledger, {given.trials} trials"):
                read_ledger(run / "ledger.jsonl")
            with measured(f"status, {given.trials} trials"):
                run_status(run)
            profile.disable()
        if given.runs:
            runs = [Path(root) / f"run-{number}" for number in range(given.runs)]
            for number, run in enumerate(runs):
                write_run(run, given.trials_each, seed=number // 2, controller=("random", "evolution")[number % 2])
            if given.profile:
                profile.enable()
            with measured(f"compare, {given.runs} runs"):
                compare_runs(runs, Path(root) / "comparison")
            profile.disable()
    if given.profile:
        profile.dump_stats(given.profile)


if __name__ == "__main__":
    main()
