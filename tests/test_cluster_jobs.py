"""Checks how code reaches the nodes of an existing cluster: with a submitted job, and from a node of the cluster.

The cluster is started on this machine by `ray start`, in its own process group. The code that is sent is a copy of the
packages that marks its results, so that it differs from the installed code.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from nas.ledger.writer import read_ledger

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")
RAY = (sys.executable, "-m", "ray.scripts.scripts")
LIMIT_SECONDS = 240
NUM_STARTS = 3

pytestmark = pytest.mark.ray  # starts its own Ray; runs in the same process as the other tests with Ray

MARKING = '''

_train_and_validate = train_and_validate


def train_and_validate(trial, **arguments):
    """Returns the location of this code instead of a measurement."""
    import os

    from nas.trial import Success

    Path(os.environ["MARKS"], f"{trial.id}-{Path(__file__).parents[2].name}").touch()
    return Success(trial.id, 0.5, metrics={"marked": 1.0})
'''


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    marks = tmp_path_factory.mktemp("marks")
    removed = {"RAY_ADDRESS", "PYTHONPATH", "RAY_JOB_CONFIG_JSON_ENV_VAR"}
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    ray = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0"}
    ray |= {"RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": str(LIMIT_SECONDS)}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # Ray's servers ask for it
    return {**kept, **ray, **token, "MARKS": str(marks), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def cluster(environment):
    """The addresses of the cluster and of its dashboard."""
    for _ in range(NUM_STARTS):
        folder = Path(tempfile.mkdtemp(prefix="nas-", dir="/tmp"))  # the paths of sockets must be short
        process, addresses = start(folder, environment)
        try:
            if is_up(process, folder):
                yield addresses
                return
        finally:
            stop(process)
            said = (folder / "head.log").read_text()
            shutil.rmtree(folder, ignore_errors=True)
    if "timed out during startup" in said:  # Ray waits half a minute for itself
        pytest.skip("this machine is too busy to start Ray with its dashboard")
    pytest.fail(f"Ray did not start:\n{said}")


def start(folder, environment):
    port, dashboard, client, agent = free_ports(4)
    command = [
        *RAY,
        *("start", "--head", "--block", "--num-cpus=1", "--num-gpus=0", "--disable-usage-stats"),
        *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--include-dashboard=true"),
        *(f"--port={port}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"),
        *(f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}"),
    ]
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    return process, (f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}")


def is_up(process, folder):
    """Waits until `ray start` says that all runs; on a machine that is too busy it gives up after half a minute."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if "Ray runtime started" in (folder / "head.log").read_text():
            return True
        time.sleep(0.2)
    return False


def stop(process):
    """Asks `ray start` to stop what it started, then makes sure of its process group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def code(tmp_path):
    """A folder with a copy of the packages, whose children are marked, and with a configuration."""
    folder = tmp_path / "code"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "workers" / "evaluators" / "train_and_validate.py").open("a") as file:
        file.write(MARKING)
    document = {
        "space": "tiny",
        "controller": "random",
        "search": {"num_trials": 1},
        "data": {"num_train": 40, "validation_fraction": 0.25},
        "workers": {"pool": "ray", "time_limit_seconds": 200, "recycle_after": 1},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(document))
    return folder


def run(command, *, env, cwd):
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(run_folder, marks):
    outcomes = [record.outcome for record in read_ledger(run_folder / "ledger.jsonl").finished]
    assert [outcome.metrics for outcome in outcomes] == [{"marked": 1.0}]
    places = {path.name.split("-", 1)[1] for path in Path(marks).iterdir()}
    for path in Path(marks).iterdir():
        path.unlink()
    return places


def test_a_submitted_job_brings_its_working_directory(cluster, environment, code, tmp_path):
    search = (sys.executable, "-m", "experiments.cli", "search", "tiny.yaml", "--out", str(tmp_path / "run"))
    submit = (*RAY, "job", "submit", "--address", cluster[1], "--working-dir", str(code), "--", *search)
    said = run(submit, env=environment, cwd=tmp_path)
    assert "succeeded" in said
    assert "1 trials, best: trial" in said
    assert code.name not in check(tmp_path / "run", environment["MARKS"])  # the nodes have a copy of their own


def test_the_children_of_a_search_on_a_node_run_its_code(cluster, environment, code, tmp_path):
    command = (sys.executable, "-m", "experiments.cli", "search", "tiny.yaml", "--address", cluster[0])
    said = run([*command, "--out", str(tmp_path / "run")], env={**environment, "PYTHONPATH": str(code)}, cwd=code)
    assert "1 trials, best: trial" in said
    check(tmp_path / "run", environment["MARKS"])  # where from cannot be told: Ray passes the search's paths on, too
