"""Kills searches with rungs and with shared weights by -9 at random moments, resumes them, and checks what is left.

    python tests/chaos/cheap_search_kills.py --kills 5 --trials 30
    python tests/chaos/cheap_search_kills.py --kills 10 --trials 60 --pool ray

Real networks are trained, for fractions of a second each. In the end each trial must be asked for and finished once.
With rungs, the architectures are those of a run that nobody interrupted. With shared weights a kill may cost the steps
since the last checkpoint, which must be readable after each kill; the architectures follow from the ledger alone: a new
controller that is told it in order proposes the same. On Ray, the process of a worker, that of the store and the driver
are killed in turn; the driver must survive the others. What a trial borrows, and which trials are compared at a rung,
then depends on what runs beside it, so that no architectures are compared.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import yaml
from driver_kills import check_complete, descendants, kill, num_lines
from rich.console import Console

from experiments.config.resolve import ConfigRequest
from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from experiments.search.run import run_search
from nas.ledger.writer import read_ledger
from nas.sharing.store import WeightStore

COMMON = {
    "space": "tiny",
    "controller": "evolution",
    "network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1},
    "data": {"name": "digits", "num_train": 80, "validation_fraction": 0.25},
    "recipe": {"epochs": 3, "batch_size": 16, "flip": False, "crop_padding": 0},
    "workers": {"pool": "serial", "keep_weights": 1},
}
KINDS = {
    "rungs": {"search": {"num_trials": 0, "rungs": {"epochs": [1, 2], "eta": 2}}},
    "shared": {
        "search": {"num_trials": 0},
        "recipe": {**COMMON["recipe"], "epochs": 1000},
        "evaluator": {"name": "shared_weights", "steps": 3, "checkpoint_trials": 3, "final_draws": 5},
    },
}


VICTIMS = {"worker": "ray::run_trial", "store": "ray::WeightStore"}
"""Processes by the start of their command line."""


def write_config(kind, trials, path, pool="serial"):
    document = {**COMMON, **KINDS[kind]}
    document["workers"] = {**document["workers"], "pool": pool}
    document["search"] = {**document["search"], "num_trials": trials, "seed": 1}
    path.write_text(yaml.safe_dump(document))


def run(config, folder):
    raise SystemExit(run_search(ConfigRequest(str(config)), folder, Console(quiet=True)))


def check_replay(config, records):
    """Asks a new controller for each trial after the tells before it."""
    settings = SearchConfig.parse(yaml.safe_load(config.read_text()))
    if settings.search.rungs is not None:
        return  # compared with an uninterrupted run instead
    controller = settings.build_controller()
    for record in records:
        assert controller.ask([record.trial.id]) == [record.trial.rollout], f"trial {record.trial.id} is no replay"
        controller.tell(record.trial.rollout, settings.reward(record.outcome))


def find(victim, driver):
    """The process of a running driver; None if there is none within some minutes, or the driver ends."""
    deadline = time.monotonic() + 300
    while driver.poll() is None and time.monotonic() < deadline:
        for pid in descendants(driver.pid):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if line.startswith(VICTIMS[victim].encode()):
                return pid
        time.sleep(0.01)
    return None


def torment_on_ray(kind, options, folder):
    config, run_folder, draw = folder / "config.yaml", folder / "run", random.Random(options.seed)
    write_config(kind, options.trials, config, "ray")
    ledger = run_folder / "ledger.jsonl"
    words = [sys.executable, __file__, "--config", str(config), "--out", str(run_folder)]
    victims = cycle(["worker", "store", "driver"] if kind == "shared" else ["worker", "driver"])
    killed, driver = {"worker": 0, "store": 0, "driver": 0}, subprocess.Popen(words)
    for lines in sorted(draw.randrange(2, 2 * options.trials) for _ in range(options.kills)):
        while driver.poll() is None and num_lines(ledger) < lines:
            time.sleep(0.002)
        victim = next(victims)
        pid = driver.pid if victim == "driver" else find(victim, driver)
        assert driver.poll() is None, f"the driver ended by itself, with {driver.returncode}"
        assert pid is not None, f"there is no {victim} to kill"
        os.kill(pid, signal.SIGKILL)
        killed[victim] += 1
        if victim == "driver":
            driver.wait()
            driver = subprocess.Popen(words)
    assert driver.wait(timeout=600) == 0, "the last driver failed"
    check_complete(ledger, options.trials)
    if kind == "shared":
        WeightStore(run_folder / "shared.safetensors", SearchConfig.parse(RunFolder(run_folder).document()).network)
        check_complete(run_folder / f"draws-{options.trials}.jsonl", 5)
    print(
        f"{kind} on Ray: {options.trials} trials finished after the kills {killed}, none twice, none lost", flush=True
    )


def torment(kind, options, folder):
    config, run_folder, draw = folder / "config.yaml", folder / "run", random.Random(options.seed)
    write_config(kind, options.trials, config)
    ledger = run_folder / "ledger.jsonl"
    words = [sys.executable, __file__, "--config", str(config), "--out", str(run_folder)]
    for lines in sorted(draw.randrange(2 * options.trials) for _ in range(options.kills)):
        kill(words, ledger, lines=lines, draw=draw)
        if (stored := run_folder / "shared.safetensors").exists():
            WeightStore(stored, SearchConfig.parse(RunFolder(run_folder).document()).network)
    subprocess.run(words, check=True, timeout=600)
    rollouts = check_complete(ledger, options.trials)
    check_replay(config, read_ledger(ledger).finished)
    if kind == "rungs":
        untouched = folder / "untouched"
        subprocess.run([*words[:-1], str(untouched)], check=True, timeout=600)
        assert rollouts == check_complete(untouched / "ledger.jsonl", options.trials), "the architectures differ"
    else:
        drawn = check_complete(run_folder / f"draws-{options.trials}.jsonl", 5)
        assert len(drawn) == 5
    print(f"{kind}: {options.trials} trials finished after {options.kills} kills, none twice, none lost", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--pool", choices=["serial", "ray"], default="serial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", type=Path, help="only run the search of this configuration")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.config:
        run(options.config, options.out)
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            (torment_on_ray if options.pool == "ray" else torment)(kind, options, Path(folder))


if __name__ == "__main__":
    main()
