"""Kills the driver of a search with -9 at random moments, resumes it each time, and checks the final ledger.

    python tests/chaos/driver_kills.py --pool serial --kills 10 --trials 200
    python tests/chaos/driver_kills.py --pool ray --kills 10 --trials 200

In the end exactly the asked number of trials must be finished, none twice and none lost. On a serial pool the sequence
of architectures must be that of a run that nobody interrupted. On Ray, no process of a killed driver may survive.

Children take milliseconds and their accuracy follows from the architecture, so a run is over in seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from controllers.regularized_evolution import RegularizedEvolution
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger, read_ledger
from nas.search import SearchPlan, search
from nas.trial import Success
from search_spaces.tiny import TINY
from workers.pools.serial_pool import SerialPool

CONTROLLERS = ("evolution", "ppo")
CHILD_SECONDS = {"serial": 0.01, "ray": 0.1}


def evaluate(trial, seconds):
    time.sleep(seconds)
    return Success(trial.id, int(trial.architecture.fingerprint[:4], 16) / 0xFFFF)


def build_controller(name, seed):
    if name == "ppo":
        from controllers.ppo import PPO

        return PPO(TINY.choices, seed=seed)
    return RegularizedEvolution(TINY.choices, seed=seed)


@contextmanager
def open_pool(name):
    seconds = CHILD_SECONDS[name]
    if name == "serial":
        with SerialPool(lambda trial: evaluate(trial, seconds)) as pool:
            yield pool
    else:
        from workers.cluster.connection import connect
        from workers.pools.ray_pool import RayPool

        with connect(num_cpus=2), RayPool(evaluate, arguments={"seconds": seconds}) as pool:
            yield pool


def run(options):
    """Runs the driver; the same command starts and resumes a run."""
    controller = build_controller(options.controller, options.seed)
    plan = SearchPlan(Fidelity(), options.trials, seed=options.seed)
    with Ledger(options.ledger) as ledger, open_pool(options.pool) as pool:
        for _ in search(TINY, controller, pool, plan, ledger=ledger):
            pass


def command(options, ledger):
    words = {"pool": options.pool, "controller": options.controller, "trials": options.trials, "seed": options.seed}
    arguments = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    return [sys.executable, __file__, *arguments, "--ledger", str(ledger)]


def num_lines(ledger):
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


def kill(words, ledger, *, lines, draw):
    """Starts the driver and kills it once the ledger has `lines` lines, or during start-up if it has them already.

    Returns the numbers of the processes that it had started.
    """
    is_late = num_lines(ledger) >= lines
    driver = subprocess.Popen(words)
    deadline = time.monotonic() + 600
    while driver.poll() is None and not is_late and num_lines(ledger) < lines:
        if time.monotonic() > deadline:
            driver.kill()
            raise AssertionError(f"the ledger does not come to {lines} lines")
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 3.0 if is_late else 0.02))
    family = descendants(driver.pid)
    driver.kill()
    driver.wait()
    if ledger.exists():
        read_ledger(ledger)
    return family


def descendants(pid):
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        parents.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(path.parent.name))
    found, waiting = set(), [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found.update(children)
        waiting.extend(children)
    return found


def check_gone(family):
    """Waits for all processes of the driver to end; Ray's agents take up to a minute to notice."""
    deadline = time.monotonic() + 180
    while left := {pid for pid in family if is_alive(pid)}:
        if time.monotonic() > deadline:
            names = sorted(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:80] for pid in left)
            raise AssertionError(f"processes of a killed driver survive: {names}")
        time.sleep(0.05)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def check_complete(ledger, num_trials):
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    asked = Counter(event["trial"]["id"] for event in events if event["event"] == "asked")
    finished = Counter(event["outcome"]["trial_id"] for event in events if event["event"] == "finished")
    expected = dict.fromkeys(range(num_trials), 1)
    assert asked == expected, "each trial must be asked for once"
    assert finished == expected, "each trial must be finished once"
    contents = read_ledger(ledger)
    assert not contents.pending
    return [record.trial.rollout for record in contents.finished]


def torment(options, folder):
    """Kills and resumes the driver, then checks the ledger."""
    ledger, draw = folder / "ledger.jsonl", random.Random(options.seed)
    words = command(options, ledger)
    moments = sorted(draw.randrange(2 * options.trials) for _ in range(options.kills))
    family = set()
    for number, lines in enumerate(moments, 1):
        family |= kill(words, ledger, lines=lines, draw=draw)
        print(f"kill {number} of {options.kills} at {num_lines(ledger)} of {2 * options.trials + 1} lines", flush=True)
    subprocess.run(words, check=True, timeout=600)
    rollouts = check_complete(ledger, options.trials)
    check_gone(family)
    if options.pool == "serial":
        untouched = folder / "untouched.jsonl"
        subprocess.run(command(options, untouched), check=True, timeout=600)
        assert rollouts == check_complete(untouched, options.trials), "the architectures differ"
        print("the sequence of architectures is that of an uninterrupted run")
    print(f"{options.trials} trials finished after {options.kills} kills, none twice, none lost")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", choices=CHILD_SECONDS, default="serial")
    parser.add_argument("--controller", choices=CONTROLLERS, default="ppo")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ledger", type=Path, help="only run the driver on this ledger")
    options = parser.parse_args()
    if options.ledger:
        run(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        torment(options, Path(folder))


if __name__ == "__main__":
    main()
