from collections import deque

import pytest

from nas.trial import Failure, Success
from workers.pools.caching_pool import CachingPool


class ScriptedPool:
    """Answers in the order of submission with what the test says; remembers what reached it."""

    def __init__(self, capacity=2, failures=()):
        self.capacity = capacity
        self.submitted = []
        self.left = 0
        self._failures = deque(failures)
        self._waiting = deque()

    def submit(self, trial):
        self.submitted.append(trial.id)
        self._waiting.append(trial)

    def next_outcome(self):
        if not self._waiting:
            raise RuntimeError("next_outcome needs a trial in flight, and there is none")
        trial = self._waiting.popleft()
        if self._failures:
            return Failure(trial.id, self._failures.popleft(), "as planned", 2.0)
        return Success(trial.id, trial.id / 100, 10, 20, 3.0, metrics={"test_accuracy": 0.5})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.left += 1


def test_what_is_measured_is_told_again_at_once(make_trial):
    inner = ScriptedPool()
    with CachingPool(inner) as pool:
        pool.submit(make_trial(1, architecture=9))
        first = pool.next_outcome()
        pool.submit(make_trial(2, architecture=9))
        second = pool.next_outcome()
    assert inner.submitted == [1]
    assert first == Success(1, 0.01, 10, 20, 3.0, metrics={"test_accuracy": 0.5})
    assert second == Success(2, 0.01, 10, 20, 0.0, cached=True, metrics={"test_accuracy": 0.5})
    assert inner.left == 1


def test_what_a_ledger_holds_is_known(make_trial):
    inner = ScriptedPool()
    known = [(make_trial(1, 9), Success(1, 0.7)), (make_trial(2, 8), Failure(2, "error", "no"))]
    with CachingPool(inner, known) as pool:
        pool.submit(make_trial(3, 9))
        assert pool.next_outcome() == Success(3, 0.7, cached=True)
        pool.submit(make_trial(4, 8))
        assert pool.next_outcome().accuracy == 0.04
    assert inner.submitted == [4]


def test_another_fidelity_is_another_measurement(make_trial):
    from dataclasses import replace

    trial = make_trial(1, 9)
    longer = replace(trial, id=2, fidelity=replace(trial.fidelity, recipe=replace(trial.fidelity.recipe, epochs=99)))
    inner = ScriptedPool()
    with CachingPool(inner, [(trial, Success(1, 0.7))]) as pool:
        pool.submit(longer)
        assert not pool.next_outcome().cached
    assert inner.submitted == [2]


def test_a_trial_whose_architecture_is_in_flight_waits_for_it(make_trial):
    inner = ScriptedPool()
    with CachingPool(inner) as pool:
        for i in (1, 2, 3):
            pool.submit(make_trial(i, architecture=9))
        outcomes = [pool.next_outcome() for _ in range(3)]
        with pytest.raises(RuntimeError, match="needs a trial in flight"):
            pool.next_outcome()
    assert inner.submitted == [1]
    assert [(outcome.trial_id, outcome.accuracy, outcome.cached) for outcome in outcomes] == [
        (1, 0.01, False),
        (2, 0.01, True),
        (3, 0.01, True),
    ]


@pytest.mark.parametrize("kind", ["error", "diverged", "timeout", "worker_lost", "out_of_memory"])
def test_after_a_failure_the_next_one_that_waits_is_measured(make_trial, kind):
    inner = ScriptedPool(failures=[kind])
    with CachingPool(inner) as pool:
        for i in (1, 2, 3):
            pool.submit(make_trial(i, architecture=9))
        outcomes = [pool.next_outcome() for _ in range(3)]
        pool.submit(make_trial(4, architecture=9))
        assert pool.next_outcome().cached
    assert outcomes[0] == Failure(1, kind, "as planned", 2.0)
    assert [(outcome.accuracy, outcome.cached) for outcome in outcomes[1:]] == [(0.02, False), (0.02, True)]
    assert inner.submitted == [1, 2]


def test_a_failure_that_nobody_waits_for_is_forgotten(make_trial):
    inner = ScriptedPool(failures=["error"])
    with CachingPool(inner) as pool:
        pool.submit(make_trial(1, 9))
        pool.next_outcome()
        pool.submit(make_trial(2, 9))
        assert pool.next_outcome().accuracy == 0.02


def test_too_large_holds_for_the_architecture_whatever_the_seed(make_trial):
    inner = ScriptedPool(failures=["too_large"])
    with CachingPool(inner) as pool:
        for i in (1, 2):
            pool.submit(make_trial(i, 9))
        pool.next_outcome()
        assert pool.next_outcome() == Failure(2, "too_large", "as planned", 0.0)
        pool.submit(make_trial(3, 9))
        assert pool.next_outcome() == Failure(3, "too_large", "as planned", 0.0)
    assert inner.submitted == [1]


def test_trials_that_wait_take_up_no_worker(make_trial):
    with CachingPool(ScriptedPool(capacity=2)) as pool:
        assert pool.capacity == 2
        pool.submit(make_trial(1, 9))
        pool.submit(make_trial(2, 9))
        assert pool.capacity == 3
        pool.submit(make_trial(3, 8))
        pool.next_outcome()
        assert pool.capacity == 3  # trial 2 is ready and not yet taken
        pool.next_outcome()
        assert pool.capacity == 2


def test_a_converged_policy_is_not_asked_for_ever(make_trial):
    with CachingPool(ScriptedPool(capacity=2)) as pool:
        num_in_flight = 0
        while num_in_flight < pool.capacity:
            pool.submit(make_trial(num_in_flight, 9))
            num_in_flight += 1
            assert num_in_flight <= 4
        assert num_in_flight == 4
