"""The search loop: whatever pool, order or crash, each trial is asked once, measured once and told once."""

import random
from collections import deque
from itertools import islice

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.decisions import Choice, Rollout
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger, read_ledger
from nas.protocols import MoreRoom
from nas.search import SearchPlan, search, trial_seed
from nas.trial import Failure, Success

FIDELITY = Fidelity()


class TwoOps:
    """A space of one decision."""

    choices = (Choice("op", "op", 2),)

    def decode(self, decisions):
        cell = Cell((Block(Edge(0, ("identity", "conv_1x1")[decisions[0]]), Edge(1, "identity")),))
        return Architecture(cell, cell)


class Remembering:
    """A controller whose proposals depend on all that it was told, in order."""

    def __init__(self):
        self.told = []
        self.asked = []
        self.pending = []

    def ask(self, trial_ids, pending=()):
        self.asked.extend(trial_ids)
        self.pending.append(len(pending))
        return [Rollout((hash((tuple(self.told), i)) % 2,), -0.5) for i in trial_ids]

    def tell(self, rollout, reward):
        self.told.append((rollout.decisions, reward))


class ShuffledPool:
    """Several trials at once, finished in random order."""

    def __init__(self, capacity=1, seed=0, evaluate=None):
        self.capacity = capacity
        self.most_in_flight = 0
        self.submitted = []
        self._evaluate = evaluate or (lambda trial: Success(trial.id, (trial.id % 10) / 10))
        self._in_flight = []
        self._random = random.Random(seed)

    def submit(self, trial):
        self.submitted.append(trial)
        self._in_flight.append(trial)
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))

    def next_outcome(self):
        if not self._in_flight:
            raise RuntimeError("no trial is in flight")
        return self._evaluate(self._in_flight.pop(self._random.randrange(len(self._in_flight))))


def plan(num_trials=12, **settings):
    return SearchPlan(FIDELITY, num_trials, **settings)


def test_all_trials_are_measured_once_and_told_in_order_of_finishing():
    controller, pool = Remembering(), ShuffledPool(3)
    finished = list(search(TwoOps(), controller, pool, plan()))
    assert sorted(trial.id for trial, _ in finished) == list(range(12)) == controller.asked
    assert [reward for _, reward in controller.told] == [outcome.accuracy for _, outcome in finished]
    assert [trial.id for trial, _ in finished] != list(range(12))
    assert pool.most_in_flight == 3


def test_seeds_differ_and_follow_from_the_run():
    pool = ShuffledPool()
    list(search(TwoOps(), Remembering(), pool, plan(seed=5)))
    seeds = [trial.seed for trial in pool.submitted]
    assert seeds == [trial_seed(5, i) for i in range(12)]
    assert len(set(seeds)) == 12
    assert trial_seed(6, 0) != trial_seed(5, 0)


@pytest.mark.parametrize(("failure_reward", "told"), [(None, []), (-1.0, [-1.0] * 4)])
def test_failures_do_not_stop_a_search_and_are_told_as_the_plan_says(failure_reward, told):
    controller = Remembering()
    pool = ShuffledPool(evaluate=lambda trial: Failure(trial.id, "diverged", "nan"))
    finished = list(search(TwoOps(), controller, pool, plan(4, failure_reward=failure_reward)))
    assert [outcome.kind for _, outcome in finished] == ["diverged"] * 4
    assert [reward for _, reward in controller.told] == told


def test_reward_of_the_plan_is_told():
    controller = Remembering()
    list(search(TwoOps(), controller, ShuffledPool(), plan(3, reward=lambda success: 10 * success.accuracy)))
    assert [reward for _, reward in controller.told] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("capacity", [1, 3])
def test_interrupted_run_goes_on_where_it_was(tmp_path, capacity):
    path = tmp_path / "ledger.jsonl"
    whole = [trial.architecture for trial, _ in search(TwoOps(), Remembering(), ShuffledPool(), plan())]
    told, submitted = [], []
    for stop_after in (2, 3, 1, 100):
        controller, pool = Remembering(), ShuffledPool(capacity, seed=stop_after)
        with Ledger(path) as ledger:
            pending = [trial.id for trial in ledger.contents.pending]
            for count, _ in enumerate(search(TwoOps(), controller, pool, plan(), ledger=ledger), start=1):
                if count == stop_after:
                    break  # what is in flight is lost with the pool
        assert [trial.id for trial in pool.submitted[: len(pending)]] == pending
        assert not set(controller.asked) & set(submitted)
        submitted += controller.asked
        assert controller.told[: len(told)] == told
        told = controller.told
    finished = read_ledger(path).finished
    assert sorted(record.trial.id for record in finished) == list(range(12))
    if capacity == 1:
        assert [record.trial.architecture for record in finished] == whole


def test_finished_run_asks_nothing_and_can_grow(tmp_path):
    path = tmp_path / "ledger.jsonl"
    for num_trials, new in ((5, 5), (5, 0), (8, 3)):
        with Ledger(path) as ledger:
            assert len(list(search(TwoOps(), Remembering(), ShuffledPool(2), plan(num_trials), ledger=ledger))) == new


def test_ordered_batches_do_not_depend_on_the_pool(tmp_path):
    runs = []
    for capacity, seed in ((1, 0), (4, 1), (4, 2), (30, 3)):
        controller = Remembering()
        path = tmp_path / f"{capacity}-{seed}.jsonl"
        with Ledger(path) as ledger:
            list(search(TwoOps(), controller, ShuffledPool(capacity, seed), plan(30, ordered_batch=7), ledger=ledger))
        runs.append(controller.told)
        assert controller.asked == list(range(30))
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_ordered_run_can_be_interrupted(tmp_path):
    whole = Remembering()
    list(search(TwoOps(), whole, ShuffledPool(), plan(30, ordered_batch=7)))
    path = tmp_path / "ledger.jsonl"
    for stop_after in (3, 5, 4, 100):
        controller, pool = Remembering(), ShuffledPool(4, seed=stop_after)
        with Ledger(path) as ledger:
            for count, _ in enumerate(search(TwoOps(), controller, pool, plan(30, ordered_batch=7), ledger=ledger)):
                if count == stop_after:
                    break
    assert controller.told == whole.told


def test_stop_ends_the_search_with_the_trials_in_flight(tmp_path):
    answers = deque([False, False, False])
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        stop = lambda: not answers or answers.popleft()  # noqa: E731
        finished = list(search(TwoOps(), Remembering(), ShuffledPool(4), plan(30), ledger=ledger, stop=stop))
    assert len(finished) == 2 + 4
    contents = read_ledger(tmp_path / "ledger.jsonl")
    assert (len(contents.finished), contents.pending) == (6, [])


def test_pool_without_capacity_still_gets_one_trial():
    # A cluster that starts nodes on demand has none until something is asked of it.
    pool = ShuffledPool(0)
    assert len(list(search(TwoOps(), Remembering(), pool, plan(3)))) == 3
    assert pool.most_in_flight == 1


def test_capacity_may_change():
    pool = ShuffledPool(1)
    for count, _ in enumerate(search(TwoOps(), Remembering(), pool, plan(30))):
        pool.capacity = 5 if 5 < count < 20 else 2
    assert pool.most_in_flight == 5


def test_a_pool_that_grows_while_it_waits_is_filled_at_once():
    pool = ShuffledPool(1)
    wait = pool.next_outcome

    def grow_once():
        if pool.capacity == 1:
            pool.capacity = 5
            raise MoreRoom
        return wait()

    pool.next_outcome = grow_once
    finished = list(search(TwoOps(), Remembering(), pool, plan()))
    assert len(finished) == 12
    assert pool.most_in_flight == 5


def test_unknown_outcome_is_refused():
    pool = ShuffledPool(evaluate=lambda trial: Success(trial.id + 1, 0.5))
    with pytest.raises(RuntimeError, match="returned trial 1, which is not in flight"):
        list(search(TwoOps(), Remembering(), pool, plan()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_trials": 0}, "num_trials must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"failure_reward": float("nan")}, "failure_reward must be a finite number"),
        ({"ordered_batch": 0}, "ordered_batch must be at least 1"),
    ],
)
def test_plans_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        plan(**settings)


def test_a_ledger_of_another_space_is_said_with_its_trial(tmp_path):
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        list(search(TwoOps(), Remembering(), ShuffledPool(), plan(2), ledger=ledger))

    class Strict(Remembering):
        def tell(self, rollout, reward):
            raise ValueError("there must be 24 decisions, got 1")

    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        run = search(TwoOps(), Strict(), ShuffledPool(), plan(3), ledger=ledger)
        with pytest.raises(ValueError, match="trial 0 of the ledger does not fit this search: there must be 24"):
            next(run)


class Failing:
    """A pool in which the first trials fail with the given kinds and texts, and later ones succeed.

    None stands for a trial that is stopped by its scores.
    """

    capacity = 1

    def __init__(self, *failures):
        self.failures = list(failures)
        self.trials = deque()

    def submit(self, trial):
        self.trials.append(trial)

    def next_outcome(self):
        trial = self.trials.popleft()
        if not self.failures:
            return Success(trial.id, 0.5)
        if (failure := self.failures.pop(0)) is None:
            return Success(trial.id, 0.0, stopped_after=0)
        return Failure(trial.id, *failure)


def run_with(failures, **plan):
    space = TwoOps()
    return list(search(space, Remembering(), Failing(*failures), SearchPlan(FIDELITY, 8, **plan)))


def test_a_search_stops_when_its_first_trials_all_fail_alike():
    failures = [("error", f"ValueError: block {number}: unknown op sep_3x3") for number in range(8)]
    trials = search(TwoOps(), Remembering(), Failing(*failures), SearchPlan(FIDELITY, 8))
    assert [trial.id for trial, _ in islice(trials, 5)] == [0, 1, 2, 3, 4]  # each is told before the search stops
    with pytest.raises(RuntimeError, match="first 5 trials all failed alike, with error: ValueError: block 4: unknown"):
        next(trials)


def test_trials_that_were_only_scored_do_not_hide_that_all_trainings_fail():
    failures = [None, *[("error", "no GPU"), None] * 5]
    trials = search(TwoOps(), Remembering(), Failing(*failures), SearchPlan(FIDELITY, 20))
    assert len(list(islice(trials, 10))) == 10
    with pytest.raises(RuntimeError, match="first 5 trials all failed alike, with error: no GPU"):
        next(trials)


@pytest.mark.parametrize(
    "failures",
    [
        [("error", "one"), *[("error", "two")] * 7],
        [("error", "one"), *[("diverged", "one")] * 7],
        [("too_large", "at most 5 parameters, got 9")] * 8,
        [("error", "one")] * 4,
    ],
    ids=["other text", "other kind", "too large", "four only"],
)
def test_other_failures_do_not_stop_it(failures):
    assert len(run_with(failures)) == 8


def test_a_search_stops_when_no_network_is_within_its_bounds():
    failures = [("too_large", "latency must be at most 5 ms, got 9 ms")] * 100
    plan = SearchPlan(FIDELITY, 150)
    with pytest.raises(RuntimeError, match="first 100 networks are all larger than the bounds allow: latency must be"):
        list(search(TwoOps(), Remembering(), Failing(*failures), plan))
    assert len(list(search(TwoOps(), Remembering(), Failing(*failures[1:]), plan))) == 150
    unbounded = SearchPlan(FIDELITY, 150, max_first_failures=None)
    assert len(list(search(TwoOps(), Remembering(), Failing(*failures), unbounded))) == 150


def test_the_stop_can_be_set():
    assert len(run_with([("error", "one")] * 8, max_first_failures=None)) == 8
    with pytest.raises(RuntimeError, match="first 2 trials"):
        run_with([("error", "one")] * 8, max_first_failures=2)


def test_a_controller_gets_the_rollouts_that_were_asked_for_and_not_told():
    """Three workers: two others are in flight from the third ask on; failures that are told nothing stay."""
    controller = Remembering()

    def evaluate(trial):
        return Failure(trial.id, "error", "x") if trial.id == 0 else Success(trial.id, 0.5)

    for _ in search(TwoOps(), controller, ShuffledPool(3, evaluate=evaluate), SearchPlan(FIDELITY, 8)):
        pass
    assert controller.asked == list(range(8))
    assert controller.pending[0] == 0  # the first three are asked together
    assert controller.pending[-1] == 3  # two in flight and the failure
    assert set(controller.pending) == {0, 2, 3}
