"""Single runs of a benchmark: what they keep, what they cost, and that none outlives its parent."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.benchmark.jobs import controller_settings, run_job
from experiments.benchmark.run import Benchmark
from nas.files.storage import StorageError


def write_table(path, *, missing=()):
    """All 16 cells of three edges with two operations of which one is worth more; some may be missing."""
    lines = ["arch,valid,test,seconds"]
    for code in range(8):
        ops = ["ab"[code >> edge & 1] for edge in range(3)]
        if code not in missing:
            lines.append(f"|{ops[0]}~0|+|{ops[1]}~0|{ops[2]}~1|,{50 + code},{40 + code},{10 + code}")
    path.write_text("\n".join(lines) + "\n")
    return path


def run(table, controller, folder, **settings):
    (job,) = Benchmark(table, (controller,), num_seeds=1, **settings).jobs()
    run_job(job, folder)
    return job.read(folder)


def test_what_was_measured_before_costs_nothing(tmp_path):
    found, trials = run(write_table(tmp_path / "table.csv"), "random", tmp_path, num_trials=40)
    assert sorted(trials) == list(range(40))
    assert found.statuses.count("success") == len(set(found.fingerprints)) <= 8
    assert found.statuses.count("cached") == 40 - found.statuses.count("success")
    costs = [seconds for seconds, status in zip(found.seconds, found.statuses, strict=True) if status == "cached"]
    assert not any(costs)
    assert found.elapsed_seconds[-1] == found.seconds.sum()


def test_failures_are_told_and_kept(tmp_path):
    """Half of the cells fail, those with one operation on the first edge: PPO learns to leave them alone."""
    table = write_table(tmp_path / "table.csv", missing=range(0, 8, 2))
    shares = {}
    for controller in ("ppo:wrapper=none", "random"):
        found, _ = run(table, controller, tmp_path, num_trials=200)
        shares[controller] = sum(status == "error" for status in found.statuses) / 200
    assert 0.4 < shares["random"] < 0.6  # half of them, with a standard deviation of 0.035
    assert 0 < shares["ppo:wrapper=none"] < 0.25


def test_trials_are_numbered_as_they_were_asked_and_kept_as_they_finish(tmp_path):
    found, trials = run(write_table(tmp_path / "table.csv"), "random", tmp_path, num_trials=30, num_workers=(5,))
    assert sorted(trials) == list(range(30))
    assert trials != sorted(trials)
    assert list(found.elapsed_seconds) == sorted(found.elapsed_seconds)


@pytest.mark.parametrize(
    ("controller", "message"),
    [
        ("ppo:clip=[", "the value of clip in 'ppo:clip=\\[' is not valid YAML"),
        ("ppo:clip=!!python/object/apply:os.system", "settings of a controller must be KEY=VALUE|is not valid YAML"),
        ("ppo:name=random", "each key once, got 'name=random'"),
        ("ppo:batch_size=5:batch_size=6", "each key once, got 'batch_size=6'"),
        ("ppo:clip", "must be KEY=VALUE"),
        ("evolution:tournament_size=true", "true and false are not numbers"),
        ("pppo", "did you mean ppo"),
    ],
)
def test_settings_that_are_none_are_refused(controller, message):
    with pytest.raises(ValueError, match=message):
        controller_settings(controller)


def runs(pid):
    """Whether a process lives; one that ended and was not waited for yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_no_process_outlives_a_killed_benchmark():
    script = (
        "import multiprocessing, time\n"
        "from experiments.benchmark.jobs import _end_with_parent\n"
        "child = multiprocessing.get_context('spawn').Process(target=_end_with_parent)\n"
        "child.start()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
    deadline = time.monotonic() + 30
    while runs(child):
        assert time.monotonic() < deadline, f"process {child} goes on without its parent"
        time.sleep(0.1)


def test_a_full_disk_is_named_with_its_file(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nas.files.atomic_write.os.fsync", full)
    with pytest.raises(StorageError, match=r"\.json.*: No space left on device"):
        run(write_table(tmp_path / "table.csv"), "random", tmp_path, num_trials=2)
