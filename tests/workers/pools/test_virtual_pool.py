from dataclasses import replace

import pytest

from controllers.random_search import RandomSearch
from nas.fidelity import Fidelity
from nas.search import SearchPlan, search
from nas.trial import Failure, Success
from search_spaces.nasbench201 import NASBENCH201
from workers.pools.caching_pool import CachingPool
from workers.pools.virtual_pool import VirtualPool

SECONDS = {0: 5.0, 1: 1.0, 2: 3.0, 3: 1.0, 4: 0.0}


def evaluate(trial):
    return Success(trial.id, 0.5, train_seconds=SECONDS[trial.id])


def test_outcomes_come_in_the_order_of_finishing_on_the_virtual_clock(make_trial):
    pool = VirtualPool(evaluate, num_workers=2)
    assert (pool.capacity, pool.now_seconds) == (2, 0.0)
    pool.submit(make_trial(0))
    pool.submit(make_trial(1))
    seen = []
    for following in (2, 3, None, None):
        seen.append((pool.next_outcome().trial_id, pool.now_seconds))
        if following is not None:
            pool.submit(make_trial(following))
    assert seen == [(1, 1.0), (2, 4.0), (0, 5.0), (3, 5.0)]  # of two at once, the one that started first


def test_more_trials_than_workers_wait_for_one(make_trial):
    pool = VirtualPool(evaluate, num_workers=1)
    for trial_id in (0, 1, 2):
        pool.submit(make_trial(trial_id))
    assert [(pool.next_outcome().trial_id, pool.now_seconds) for _ in range(3)] == [(0, 5.0), (1, 6.0), (2, 9.0)]


def test_leaving_the_pool_lets_go_of_what_runs(make_trial):
    with VirtualPool(evaluate, num_workers=1) as pool:
        pool.submit(make_trial(0))
        pool.submit(make_trial(1))
    with pytest.raises(RuntimeError, match="a trial in flight"):
        pool.next_outcome()
    pool.submit(make_trial(0))
    assert pool.next_outcome().trial_id == 0


def test_a_trial_is_in_flight_once(make_trial):
    pool = VirtualPool(evaluate, num_workers=2)
    pool.submit(make_trial(0))
    with pytest.raises(ValueError, match="trial 0 is in flight already"):
        pool.submit(make_trial(0))


def test_an_exception_is_a_failure(make_trial):
    pool = VirtualPool(evaluate, num_workers=1)
    pool.submit(make_trial(9))
    assert isinstance(pool.next_outcome(), Failure)


def test_there_must_be_a_worker():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        VirtualPool(evaluate, num_workers=0)


def look_up(trial):
    seconds = 1.0 + sum(trial.rollout.decisions)
    return Success(trial.id, 0.5, train_seconds=seconds)


def test_the_search_loop_keeps_all_workers_busy():
    """Work that is never idle ends when the seconds are spread over the workers, give or take one trial."""
    spent = {}
    for num_workers in (1, 20):
        with VirtualPool(look_up, num_workers=num_workers) as pool:
            controller = RandomSearch(NASBENCH201.choices, seed=0)
            outcomes = [outcome for _, outcome in search(NASBENCH201, controller, pool, SearchPlan(Fidelity(), 400))]
            spent[num_workers] = pool.now_seconds
        assert len(outcomes) == 400
        total = sum(outcome.train_seconds for outcome in outcomes)
        assert total / num_workers <= spent[num_workers] <= total / num_workers + 25
    assert spent[1] == total


def test_it_can_be_wrapped(make_trial):
    with CachingPool(VirtualPool(evaluate, num_workers=2)) as pool:
        pool.submit(make_trial(1))
        pool.submit(replace(make_trial(1), id=3))
        assert [pool.next_outcome().cached for _ in range(2)] == [False, True]
