"""Kills a node of a cluster during a search, adds another, and checks that every trial finishes exactly once.

    python tests/chaos/node_losses.py --trials 60 --seconds 1 2

The cluster is three raylets on this machine. One of them is killed with the children that it runs at a random time;
another joins at a random time, while all children in flight still have a while to go.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_worker_niceness="0")

import ray
from ray.cluster_utils import Cluster

from controllers.random_search import RandomSearch
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger, read_ledger
from nas.search import SearchPlan, search
from nas.trial import Success
from search_spaces.tiny import TINY
from workers.cluster.connection import connect
from workers.pools.ray_pool import RayPool


def evaluate(trial, seconds, folder):
    started = time.time()
    node = ray.get_runtime_context().get_node_id()
    Path(folder, f"{trial.id}-{node}-{os.getpid()}").touch()
    time.sleep(random.Random(trial.id).uniform(*seconds))
    return Success(trial.id, 0.5, metrics={"started": started})


def nodes_of(folder, trial_id=None):
    return [path.name.split("-")[1] for path in folder.glob(f"{'*' if trial_id is None else trial_id}-*")]


def drive(options, folder):
    pool = RayPool(evaluate, arguments={"seconds": tuple(options.seconds), "folder": str(folder)})
    with Ledger(folder / "ledger.jsonl") as ledger, pool:
        for _ in search(
            TINY, RandomSearch(TINY.choices, seed=0), pool, SearchPlan(Fidelity(), options.trials), ledger=ledger
        ):
            pass


def disturb(options, folder, cluster, victim):
    """Kills a node during a trial, then adds one; returns the time of the request and the name of the node."""
    draw = random.Random(options.seed)
    num_before = draw.randrange(1 + min(3, options.trials // 20))  # its share of the trials is a third
    while nodes_of(folder).count(victim) <= num_before:
        time.sleep(0.05)
    time.sleep(draw.uniform(0, 0.8) * min(options.seconds))
    node = next(node for node in cluster.worker_nodes if node.node_id == victim)
    cluster.remove_node(node, allow_graceful=False)
    time.sleep(draw.uniform(0, 2) * max(options.seconds))
    return time.time(), cluster.add_node(num_cpus=2).node_id


def check(options, folder, victim, new, joined_at):
    contents = read_ledger(folder / "ledger.jsonl")
    outcomes = {record.outcome.trial_id: record.outcome for record in contents.finished}
    assert len(contents.finished) == options.trials == len(outcomes), "each trial must end once"
    assert not contents.pending
    assert all(isinstance(outcome, Success) for outcome in outcomes.values()), outcomes
    repeated = [trial_id for trial_id in outcomes if len(nodes_of(folder, trial_id)) > 1]
    assert any(victim in nodes_of(folder, trial_id) for trial_id in repeated), "the lost node must have run a child"
    on_new = [outcomes[trial_id].metrics["started"] for trial_id in outcomes if new in nodes_of(folder, trial_id)]
    assert on_new, "the node that joined must have been used"
    delay = min(on_new) - joined_at
    print(f"{options.trials} trials finished once each, {len(repeated)} of them started more than once")
    print(f"the node that joined ran {len(on_new)}, the first {delay:.1f} s after its start was requested")
    assert delay < 60, "a node must be used within a minute"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seconds", type=float, nargs=2, default=(1.0, 2.0), help="shortest and longest trial")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nas-") as name:
        folder = Path(name)
        head = {"num_cpus": 1, "include_dashboard": False, "temp_dir": f"{name}/ray"}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            victim = cluster.add_node(num_cpus=1).node_id
            cluster.add_node(num_cpus=1)
            cluster.wait_for_nodes()
            with connect(cluster.address), ThreadPoolExecutor(1) as executor:
                searching = executor.submit(drive, options, folder)
                joined_at, new = disturb(options, folder, cluster, victim)
                searching.result()
            check(options, folder, victim, new, joined_at)
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    main()
