"""The lock: one writer, named, taken over only when it is gone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from nas.files import lock
from nas.files.lock import FileLock

HOLD = """
import sys, time
from pathlib import Path
from nas.files.lock import FileLock
with FileLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.lock"


@pytest.fixture
def holder(path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def sign(path, *, pid, host):
    path.write_text(json.dumps({"pid": pid, "host": host, "since": 0}))


def test_second_holder_is_told_who_holds_it(path, holder):
    with pytest.raises(RuntimeError, match=rf"in use by process {holder.pid} on .+ since \d{{4}}-"), FileLock(path):
        pass


def test_lock_of_a_killed_process_is_taken_over(path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with FileLock(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_released_lock_is_free_and_names_nobody(path):
    for _ in range(2):
        with FileLock(path):
            pass
        assert path.read_text() == ""


def test_same_process_cannot_take_it_twice(path):
    with FileLock(path), pytest.raises(RuntimeError, match=f"process {os.getpid()}"), FileLock(path):
        pass


def test_holder_on_another_machine_counts_while_it_touches_the_file(path):
    sign(path, pid=1, host="elsewhere")
    with pytest.raises(RuntimeError, match="process 1 on elsewhere"), FileLock(path):
        pass
    long_ago = time.time() - 2 * lock.STALE_SECONDS
    os.utime(path, (long_ago, long_ago))
    with FileLock(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_holder_touches_the_file(path):
    with FileLock(path, heartbeat_seconds=0.02):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 60
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_file_system_without_locks_is_judged_by_the_process(path, monkeypatch):
    monkeypatch.setattr(lock, "_try_lock", lambda descriptor: None)
    sign(path, pid=os.getppid(), host=lock.socket.gethostname())
    with pytest.raises(RuntimeError, match=f"process {os.getppid()}"), FileLock(path):
        pass
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    sign(path, pid=gone.pid, host=lock.socket.gethostname())
    with FileLock(path):
        pass


def test_unreadable_holder_counts_as_released(path):
    path.write_text("[1, 2")
    with FileLock(path):
        pass
