"""What every pool promises, whatever is behind it."""

import signal
import threading
import time

import pytest

from nas.files.storage import StorageError
from nas.trial import Failure, Success
from workers.pools.caching_pool import CachingPool
from workers.pools.ray_pool import RayPool
from workers.pools.serial_pool import SerialPool


def evaluate(trial):
    if trial.id == 3:
        raise KeyError("three")
    if trial.id == 5:
        return Failure(5, "diverged", "the loss is nan")
    if trial.id == 7:
        raise SystemExit(1)
    if trial.id == 8:
        return None
    if trial.id == 9:
        return Success(10, 0.5)
    if trial.id == 11:
        raise StorageError("weights/trial-11 cannot be written: No space left on device")
    if trial.id == 600:
        time.sleep(600)
    return Success(trial.id, trial.id / 100)


POOLS = {
    "serial": lambda: SerialPool(evaluate),
    "ray": lambda: RayPool(evaluate),
    "caching a serial": lambda: CachingPool(SerialPool(evaluate)),
    "caching a Ray": lambda: CachingPool(RayPool(evaluate)),
}


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.ray] * ("ray" in name.lower())) for name in POOLS])
def pool(request):
    if "ray" in request.param.lower():
        request.getfixturevalue("ray_cluster")
    with POOLS[request.param]() as entered:
        yield entered


def outcomes(pool, trials):
    """Keeps as many trials in the pool as it holds, as a search does."""
    waiting, in_flight, found = list(trials), 0, {}
    while waiting or in_flight:
        while waiting and in_flight < pool.capacity:
            pool.submit(waiting.pop(0))
            in_flight += 1
        outcome = pool.next_outcome()
        assert outcome.trial_id not in found
        found[outcome.trial_id] = outcome
        in_flight -= 1
    return found


def test_each_trial_comes_back_once_and_with_its_own_outcome(pool, make_trial):
    found = outcomes(pool, map(make_trial, range(20, 40)))
    assert {trial_id: outcome.accuracy for trial_id, outcome in found.items()} == {i: i / 100 for i in range(20, 40)}


def test_failures_are_values_and_stop_nothing(pool, make_trial):
    found = outcomes(pool, map(make_trial, range(10)))
    assert len(found) == 10
    assert [i for i, outcome in found.items() if isinstance(outcome, Success)] != []
    assert {i: outcome.kind for i, outcome in sorted(found.items()) if isinstance(outcome, Failure)} == {
        3: "error",
        5: "diverged",
        7: "error",
        8: "error",
        9: "error",
    }
    assert found[3].error.startswith("KeyError: 'three' (test_pools.py:")
    assert "evaluate must return a number, or the Success or Failure of trial 8, got None" in found[8].error


def test_a_disk_that_is_full_is_no_outcome(pool, make_trial):
    pool.submit(make_trial(11))
    with pytest.raises(StorageError, match=r"^weights/trial-11 cannot be written: No space left on device$"):
        pool.next_outcome()


def test_it_has_room_for_a_trial_at_first(pool):
    assert pool.capacity >= 1


def test_nothing_in_flight_is_an_error_not_a_hang(pool, make_trial):
    with pytest.raises(RuntimeError, match="needs a trial in flight"):
        pool.next_outcome()
    outcomes(pool, [make_trial(20)])
    with pytest.raises(RuntimeError, match="needs a trial in flight"):
        pool.next_outcome()


def test_a_number_is_in_flight_once(pool, make_trial):
    pool.submit(make_trial(20))
    with pytest.raises(ValueError, match="trial 20 is in flight already"):
        pool.submit(make_trial(20))


def test_more_trials_than_it_holds_are_queued(pool, make_trial):
    """A run that continues submits again what was in flight, even where it was wider before."""
    for i in range(20, 30):
        pool.submit(make_trial(i))
    assert {pool.next_outcome().trial_id for _ in range(10)} == set(range(20, 30))


def test_leaving_lets_go_of_what_is_in_flight(pool, make_trial):
    start = time.monotonic()
    pool.submit(make_trial(600))
    pool.__exit__(None, None, None)
    assert time.monotonic() - start < 300
    with pytest.raises(RuntimeError, match="needs a trial in flight"):
        pool.next_outcome()


@pytest.fixture
def _interruptible():
    """Ctrl-C raises KeyboardInterrupt, whatever started these tests: a job in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_leaves_the_trial_in_flight(pool, make_trial):
    """Ctrl-C in the middle of a wait: nothing is lost, and leaving the block still works."""
    pool.submit(make_trial(600))
    threading.Timer(1.0, signal.pthread_kill, [threading.get_ident(), signal.SIGINT]).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pool.next_outcome()
    assert time.monotonic() - start < 300
    with pytest.raises(ValueError, match="in flight already"):
        pool.submit(make_trial(600))
