"""Kills worker processes, drivers and nodes and fills the disk, in random order, then checks the final ledger.

    python tests/chaos/mixture.py --trials 200

The cluster is three raylets on this machine. A search with PPO runs on it in a process of its own; whenever that is
killed or stops for lack of space, the same command is given again. In the end every trial must be finished, none twice
and none lost, and the policy must be what a replay of the ledger gives.

The disk is a small tmpfs where this process may mount one; elsewhere the driver is forbidden to let files grow.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_worker_niceness="0")

from driver_kills import check_complete, is_alive
from ray.cluster_utils import Cluster

from controllers.ppo import PPO
from experiments.cli.output import BAD_INPUT, report_errors
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger, read_ledger
from nas.search import SearchPlan, search
from nas.trial import Success
from search_spaces.tiny import TINY
from workers.cluster.connection import connect
from workers.pools.ray_pool import RayPool

DISK_BYTES = 8_000_000
PATIENCE_SECONDS = 300
FULL = ("cannot be written: No space left on device", "cannot be written: File too large")


def evaluate(trial, seconds, marks):
    Path(marks, f"{trial.id}-{os.getpid()}").touch()
    time.sleep(random.Random(trial.id).uniform(*seconds))
    return Success(trial.id, int(trial.architecture.fingerprint[:4], 16) / 0xFFFF)


def digest(controller):
    """Returns what the policy would propose next."""
    rollouts = [rollout.to_json() for rollout in controller.ask(range(10**6, 10**6 + 50))]
    return hashlib.sha256(json.dumps(rollouts).encode()).hexdigest()


def drive(options):
    """Runs the driver; the same command starts and resumes the run."""
    controller = PPO(TINY.choices, seed=options.seed)
    arguments = {"seconds": tuple(options.seconds), "marks": str(options.folder / "marks")}
    plan = SearchPlan(Fidelity(), options.trials, seed=options.seed)
    with (
        connect(options.address),
        Ledger(options.folder / "disk" / "ledger.jsonl") as ledger,
        RayPool(evaluate, arguments=arguments) as pool,
    ):
        for _ in search(TINY, controller, pool, plan, ledger=ledger):
            pass
    (options.folder / "digest").write_text(digest(controller))


class Torment:
    """A driver and the faults injected into it."""

    def __init__(self, options, folder, cluster):
        self.folder, self.cluster = folder, cluster
        self.ledger = folder / "disk" / "ledger.jsonl"
        self.draw = random.Random(options.seed)
        self.output = folder / "output"
        self.words = [sys.executable, __file__, "--folder", str(folder), "--address", cluster.address]
        self.words += ["--trials", str(options.trials), "--seed", str(options.seed)]
        self.words += ["--seconds", *map(str, options.seconds)]
        self.start()

    def start(self):
        with self.output.open("ab") as output:
            self.driver = subprocess.Popen(self.words, stdout=output, stderr=output)

    def num_finished(self):
        return self.ledger.read_bytes().count(b'{"event":"finished"') if self.ledger.exists() else 0

    def wait_for(self, is_so):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := is_so()):
            if self.driver.poll() is not None:
                raise AssertionError(f"the driver has stopped: {self.output.read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing goes on: {self.output.read_text()[-2000:]}")
            time.sleep(0.02)
        return found

    def running(self):
        """Worker processes that are running a trial."""
        done = {record.trial.id for record in read_ledger(self.ledger).finished}
        marks = [path.name.split("-") for path in (self.folder / "marks").iterdir()]
        return [int(pid) for trial_id, pid in marks if int(trial_id) not in done and is_alive(pid)]

    def kill_worker(self):
        os.kill(self.draw.choice(self.wait_for(self.running)), 9)

    def kill_driver(self):
        self.driver.kill()
        self.driver.wait()
        read_ledger(self.ledger)
        self.start()

    def kill_node(self):
        node = self.draw.choice(sorted(self.cluster.worker_nodes, key=lambda node: node.node_id))
        self.cluster.remove_node(node, allow_graceful=False)
        self.cluster.add_node(num_cpus=2)

    def fill_disk(self):
        """Fills the disk; the driver must stop by itself with a one-line error."""
        self.wait_for(self.running)
        before, size = self.num_finished(), self.output.stat().st_size
        with self.no_space():
            code = self.driver.wait(PATIENCE_SECONDS)
        said = self.output.read_text()[size:]
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert code == BAD_INPUT, said
        assert len(errors) == 1, said
        assert any(reason in errors[0] for reason in FULL), said
        assert "Traceback" not in said
        contents = read_ledger(self.ledger)
        assert len(contents.finished) >= before
        assert contents.warning is None
        print(f"  it said: {errors[0].replace(str(self.folder), 'FOLDER')}", flush=True)
        self.start()

    @contextmanager
    def no_space(self):
        if not os.path.ismount(self.ledger.parent):
            limit = self.ledger.stat().st_size
            resource.prlimit(self.driver.pid, resource.RLIMIT_FSIZE, (limit, limit))
            yield
            return
        ballast = self.ledger.with_name("ballast")
        with ballast.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue
            yield
        ballast.unlink()


def torment(options, folder, cluster):
    torment = Torment(options, folder, cluster)
    events = [torment.kill_worker] * options.worker_kills + [torment.kill_driver] * options.driver_kills
    events += [torment.kill_node] * options.node_kills + [torment.fill_disk]
    torment.draw.shuffle(events)
    moments = sorted(torment.draw.randrange(1, int(0.9 * options.trials)) for _ in events)
    started = time.monotonic()
    for moment, event in zip(moments, events, strict=True):
        torment.wait_for(lambda moment=moment: torment.num_finished() >= moment)
        print(f"{time.monotonic() - started:6.1f} s, {torment.num_finished()} finished: {event.__name__}", flush=True)
        event()
    assert torment.driver.wait(PATIENCE_SECONDS) == 0, torment.output.read_text()[-2000:]
    check(options, folder, torment.ledger)


def check(options, folder, ledger):
    check_complete(ledger, options.trials)
    controller, repeated = PPO(TINY.choices, seed=options.seed), 0
    for record in read_ledger(ledger).finished:
        assert isinstance(record.outcome, Success), record.outcome
        controller.tell(record.trial.rollout, record.outcome.accuracy)
        repeated += len(list((folder / "marks").glob(f"{record.trial.id}-*"))) > 1
    assert digest(controller) == (folder / "digest").read_text(), "the policy is not that of a replay"
    print(f"{options.trials} trials finished, none twice, none lost; {repeated} were started more than once")
    print("the policy is that of a replay of the ledger")


@contextmanager
def small_disk(folder):
    """Mounts a tmpfs of a few megabytes if permitted; otherwise uses an ordinary folder."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "nas-chaos", str(folder)]
    is_mounted = subprocess.run(words, check=False, capture_output=True).returncode == 0
    print(f"the disk is {'a tmpfs' if is_mounted else 'an ordinary folder, and a limit on the size of files'}")
    try:
        yield
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seconds", type=float, nargs=2, default=(0.3, 0.9), help="shortest and longest trial")
    parser.add_argument("--worker-kills", type=int, default=10)
    parser.add_argument("--driver-kills", type=int, default=5)
    parser.add_argument("--node-kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="only run the driver in this folder")
    parser.add_argument("--address", help="address of the cluster, with --folder")
    options = parser.parse_args()
    if options.folder:
        sys.exit(report_errors(lambda: drive(options)))
    with tempfile.TemporaryDirectory(prefix="nas-") as name, small_disk(Path(name, "disk")):
        folder = Path(name)
        (folder / "marks").mkdir()
        head = {"num_cpus": 1, "include_dashboard": False, "temp_dir": f"{name}/ray"}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(2):
                cluster.add_node(num_cpus=2)
            cluster.wait_for_nodes()
            torment(options, folder, cluster)
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    main()
