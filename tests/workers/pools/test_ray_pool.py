import ctypes
import json
import logging
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RaySystemError, RuntimeEnvSetupError

from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger
from nas.protocols import MoreRoom
from nas.search import SearchPlan, search
from nas.trial import Failure, Success
from search_spaces.tiny import TINY
from workers.cluster.resources import WorkerResources
from workers.pools import ray_pool
from workers.pools.ray_pool import RayPool, _Task

pytestmark = pytest.mark.usefixtures("ray_cluster")


def all_outcomes(pool, trials):
    for trial in trials:
        pool.submit(trial)
    return {outcome.trial_id: outcome for outcome in (pool.next_outcome() for _ in trials)}


def note_process(trial, folder):
    """Leaves the number of this process in the folder, and says how many attempts there have been."""
    mark = Path(folder) / f"{trial.id}-{os.getpid()}"
    mark.touch()
    return len(list(Path(folder).glob(f"{trial.id}-*")))


def sleep_in_first_attempt(trial, folder):
    if note_process(trial, folder) == 1:
        time.sleep(60)
    return Success(trial.id, 0.5)


def wait_for_process(folder, trial_id):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for mark in Path(folder).glob(f"{trial_id}-*"):
            return int(mark.name.split("-")[1])
        time.sleep(0.02)
    pytest.fail(f"trial {trial_id} did not start")


def is_gone(pid):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.02)
    return False


def test_a_child_whose_worker_is_killed_is_tried_again_and_the_others_go_on(make_trial, tmp_path, caplog):
    with RayPool(sleep_in_first_attempt, arguments={"folder": str(tmp_path)}) as pool:
        pool.submit(make_trial(1))
        os.kill(wait_for_process(tmp_path, 1), signal.SIGKILL)
        with caplog.at_level(logging.INFO):
            assert pool.next_outcome() == Success(1, 0.5)
    assert "trial 1 is retried, its worker was lost" in caplog.text


def kill_oneself(trial):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_child_that_always_loses_its_worker_fails_in_the_end(make_trial):
    with RayPool(kill_oneself, resources=WorkerResources(max_retries=1)) as pool:
        pool.submit(make_trial(1))
        outcome = pool.next_outcome()
        with pytest.raises(RuntimeError, match="needs a trial in flight"):
            pool.next_outcome()
    assert outcome.kind == "worker_lost"
    assert outcome.error.startswith("2 workers were lost, the last: ")


def hang(trial, folder):
    """As native code that never returns: holds the interpreter's lock and answers no signal that may be blocked."""
    note_process(trial, folder)
    if trial.id == 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        ctypes.PyDLL(None).sleep(60)
    return Success(trial.id, 0.5)


def test_a_child_that_hangs_in_native_code_is_killed_at_its_limit(make_trial, tmp_path):
    with RayPool(
        hang, arguments={"folder": str(tmp_path)}, resources=WorkerResources(time_limit_seconds=1, cpus=2)
    ) as pool:
        # The second one waits in the queue for longer than its limit, and that does not count.
        outcomes = all_outcomes(pool, [make_trial(1), make_trial(2)])
    assert outcomes[1].kind == "timeout"
    assert outcomes[1].error == "stopped after 1 s, the time limit"
    assert 1 <= outcomes[1].train_seconds < 5
    assert outcomes[2] == Success(2, 0.5)
    assert is_gone(wait_for_process(tmp_path, 1))
    assert len(list(tmp_path.glob("1-*"))) == 1


def nap(trial, seconds):
    time.sleep(seconds)
    return Success(trial.id, 0.5)


def test_time_in_the_queue_does_not_count(make_trial):
    with RayPool(nap, arguments={"seconds": 0.4}, resources=WorkerResources(cpus=2, time_limit_seconds=1)) as pool:
        outcomes = all_outcomes(pool, [make_trial(i) for i in range(4)])
    assert [type(outcome) for outcome in outcomes.values()] == [Success] * 4


def describe_process(trial, images):
    metrics = {
        "process": os.getpid(),
        "threads": float(os.environ["OMP_NUM_THREADS"]),
        "sees_gpu": float(bool(os.environ.get("CUDA_VISIBLE_DEVICES", "0"))),
        "is_copy": float(images.flags.writeable),
        "sum": float(images.sum()),
    }
    return Success(trial.id, 0.5, metrics=metrics)


def test_arguments_are_read_in_place_and_a_worker_keeps_to_its_share(make_trial, monkeypatch):
    puts = []
    put = ray.put
    monkeypatch.setattr(ray_pool.ray, "put", lambda value: puts.append(value) or put(value))
    images = np.ones(10**6, np.uint8)
    with RayPool(describe_process, arguments={"images": images}) as pool:
        outcomes = all_outcomes(pool, [make_trial(i) for i in range(6)])
    assert len(puts) == 1
    for outcome in outcomes.values():
        assert outcome.metrics["sum"] == 10**6
        assert not outcome.metrics["is_copy"]
        assert outcome.metrics["threads"] == 1
        assert not outcome.metrics["sees_gpu"]
    assert len({outcome.metrics["process"] for outcome in outcomes.values()}) <= 2


def test_workers_are_replaced_after_a_number_of_children(make_trial):
    images = np.ones(1)
    with RayPool(describe_process, arguments={"images": images}, resources=WorkerResources(recycle_after=1)) as pool:
        outcomes = all_outcomes(pool, [make_trial(i) for i in range(2)])
    assert len({outcome.metrics["process"] for outcome in outcomes.values()}) == 2


def take_memory(trial):
    return Success(trial.id, float(np.ones(2**28).mean()))


def test_a_child_that_takes_more_than_its_memory_fails(make_trial):
    with RayPool(take_memory, resources=WorkerResources(memory_gib=0.5)) as pool:
        pool.submit(make_trial(1))
        outcome = pool.next_outcome()
    assert outcome.kind == "out_of_memory"
    assert "MemoryError" in outcome.error


def test_halves_of_two_gpus_hold_four_children(make_trial):
    resources = WorkerResources(cpus=0.01, gpus=0.5, num_queued=1)
    with RayPool(nap, arguments={"seconds": 60.0}, resources=resources) as pool:
        assert pool.num_workers == 4
        assert pool.capacity == 5
        for i in range(5):
            pool.submit(make_trial(i))
        pool._resources = WorkerResources(cpus=0.01, gpus=0.5, time_limit_seconds=3600)
        deadline = time.monotonic() + 60
        while pool.num_running < 4 and time.monotonic() < deadline:
            advance(pool)
        settled = time.monotonic() + 1
        while time.monotonic() < settled:
            advance(pool)
        assert pool.num_running == 4


def advance(pool):
    """One turn of the loop within next_outcome, which here would wait for a minute."""
    ready, _ = ray.wait(list(pool._tasks), timeout=0.1)
    if ready:
        assert pool._advance(ready[0]) is None


def nodes(*cpus):
    return [{"Alive": True, "Resources": {"CPU": float(number)}} for number in cpus]


def test_capacity_follows_the_cluster_within_bounds(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "workers")
    clock = [1000.0]
    monkeypatch.setattr(ray_pool.time, "monotonic", lambda: clock[0])
    counts = [nodes(0), nodes(2, 4), nodes(2), nodes(100)]
    monkeypatch.setattr(ray, "nodes", lambda: counts[0])
    pool = RayPool(nap, resources=WorkerResources(num_queued=2, max_workers=50))
    assert (pool.num_workers, pool.capacity) == (0, 1 + 2)  # something must be queued, or no autoscaler acts
    seen = []
    for _ in range(3):
        counts.pop(0)
        clock[0] += 30
        seen.append((pool.num_workers, pool.capacity))
    assert seen == [(6, 8), (2, 4), (100, 50)]
    assert [record.getMessage().removeprefix("the cluster now has room for ") for record in caplog.records] == [
        "6 trials at a time, before 0",
        "2 trials at a time, before 6",
        "100 trials at a time, before 2",
    ]
    assert RayPool(nap, resources=WorkerResources(min_workers=200, num_queued=0)).capacity == 200
    assert RayPool(nap, resources=WorkerResources(max_workers=100)).capacity == 101  # one waits in Ray's queue
    assert RayPool(nap, resources=WorkerResources(max_workers=99)).capacity == 99  # one more would run


def test_a_wait_ends_when_the_cluster_grows(make_trial, monkeypatch):
    monkeypatch.setattr(ray_pool, "_POLL_SECONDS", 0.1)
    monkeypatch.setattr(ray_pool, "_RECOUNT_SECONDS", 0.0)
    with RayPool(nap, arguments={"seconds": 1.0}) as pool:
        pool.submit(make_trial(1))
        assert pool.capacity == 3
        monkeypatch.setattr(ray, "nodes", lambda: nodes(2, 2))
        with pytest.raises(MoreRoom):
            pool.next_outcome()
        assert pool.next_outcome() == Success(1, 0.5)  # said once, even to a caller that has nothing more to ask


def test_errors_of_ray_have_a_kind(make_trial):
    with RayPool(nap) as pool:
        for error, kind in [
            (OutOfMemoryError("the node runs low"), "out_of_memory"),
            (NodeDiedError("the node is gone"), "worker_lost"),
            (RaySystemError("no such object"), "worker_lost"),
            (StopIteration(), "worker_lost"),
            (RuntimeEnvSetupError("no disk"), "error"),
        ]:
            outcome = pool._retry_or_fail(_Task(make_trial(1), num_lost=99, started_at=time.monotonic()), error)
            assert isinstance(outcome, Failure)
            assert outcome.kind == kind, error
            assert outcome.error


def test_a_trial_lost_before_it_started_is_retried_but_not_for_ever(make_trial):
    with RayPool(nap, resources=WorkerResources(max_retries=0)) as pool:
        task = _Task(make_trial(1))
        for _ in range(3):
            assert pool._retry_or_fail(task, NodeDiedError("the node is gone")) is None
            task = pool._tasks.popitem()[1]
        assert pool._retry_or_fail(task, NodeDiedError("the node is gone")).kind == "worker_lost"


class Unreadable:
    """Cannot be rebuilt on a worker, like a class that the nodes do not have."""

    def __reduce__(self):
        return int, ("none",)


def test_a_cluster_that_can_run_nothing_stops_the_search(make_trial):
    with RayPool(nap, arguments={"seconds": Unreadable()}) as pool:
        pool.submit(make_trial(1))
        with pytest.raises(RuntimeError, match=r"the cluster cannot run trials: .*invalid literal for int"):
            pool.next_outcome()


def return_what_cannot_travel(trial):
    return Success(trial.id, 0.5, metrics={"lock": __import__("threading").Lock()})


def test_an_outcome_that_cannot_travel_is_an_error_of_its_trial(make_trial):
    with RayPool(return_what_cannot_travel) as pool:
        pool.submit(make_trial(1))
        outcome = pool.next_outcome()
    assert outcome.kind == "error"
    assert "lock" in outcome.error


class StopError(Exception):
    """What a program's own signal handler may raise."""


def stop(*_):
    raise StopError("enough")


def test_a_pending_cluster_is_said_and_any_signal_handler_may_end_the_wait(make_trial, monkeypatch, caplog):
    monkeypatch.setattr(ray_pool, "_PENDING_SECONDS", 0.2)
    monkeypatch.setattr(ray_pool, "_POLL_SECONDS", 0.1)
    with RayPool(nap, resources=WorkerResources(custom={"unobtainium": 1})) as pool:
        assert pool.num_workers == 0
        pool.submit(make_trial(1))
        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with pytest.raises(StopError, match="enough"):
            pool.next_outcome()
        signal.signal(signal.SIGALRM, before)
    said = "the cluster is pending: it has no node with room for a trial; each needs {'CPU': 1.0, 'unobtainium': 1.0}"
    assert caplog.text.count(said) == 1


def test_children_that_do_not_start_are_said(make_trial, monkeypatch, caplog):
    monkeypatch.setattr(ray_pool, "_WARN_SECONDS", 0.2)
    monkeypatch.setattr(ray_pool, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(ray, "nodes", lambda: nodes(2))
    with RayPool(nap, arguments={"seconds": 0.0}) as pool:
        advance = pool._advance
        monkeypatch.setattr(
            pool, "_advance", lambda stream: time.sleep(0.3) or pool._check_cluster() or advance(stream)
        )
        pool.submit(make_trial(1))
        assert pool.next_outcome() == Success(1, 0.5)
    assert "no trial has started for 0.2 s, though 2 fit on the cluster; each needs {'CPU': 1.0}" in caplog.text


def test_it_needs_a_cluster_and_its_block(make_trial, monkeypatch):
    with pytest.raises(RuntimeError, match="only within its with block"):
        RayPool(nap).submit(make_trial(1))
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(RuntimeError, match=r"enter workers.cluster.connection.connect\(\) first"), RayPool(nap):
        pass


def test_leaving_kills_what_runs(make_trial, tmp_path):
    with RayPool(sleep_in_first_attempt, arguments={"folder": str(tmp_path)}) as pool:
        pool.submit(make_trial(1))
        pid = wait_for_process(tmp_path, 1)
    assert is_gone(pid)


def nap_by_number(trial):
    time.sleep(0.05 * (trial.id * 7 % 4))
    return Success(trial.id, int(trial.architecture.fingerprint[:4], 16) / 0xFFFF)


def test_ordered_batches_give_the_same_ledger_with_one_worker_and_with_two(tmp_path):
    """All but the times, and the order in which the trials of a batch finish."""
    ledgers = []
    for num_workers in (1, 2):
        path = tmp_path / f"{num_workers}.jsonl"
        resources = WorkerResources(max_workers=num_workers, num_queued=0)
        plan = SearchPlan(Fidelity(), 14, ordered_batch=5)
        with Ledger(path) as ledger, RayPool(nap_by_number, resources=resources) as pool:
            controller = RegularizedEvolution(TINY.choices, EvolutionSettings(4, 2), seed=0)
            finished = [trial.id for trial, _ in search(TINY, controller, pool, plan, ledger=ledger)]
        assert (finished == sorted(finished)) == (num_workers == 1)
        events = [json.loads(line) for line in path.read_text().splitlines()]
        for event in events:
            event.pop("time", None)
        asked = [event for event in events if event["event"] != "finished"]
        outcomes = [event["outcome"] for event in events if event["event"] == "finished"]
        ledgers.append((asked, sorted(outcomes, key=lambda outcome: outcome["trial_id"])))
    assert ledgers[0] == ledgers[1]
