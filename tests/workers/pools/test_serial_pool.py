import pytest

from nas.trial import Success
from workers.pools.serial_pool import SerialPool


def test_trials_are_evaluated_one_by_one_in_order_and_only_when_asked_for(make_trial):
    evaluated = []

    def evaluate(trial):
        evaluated.append(trial.id)
        return Success(trial.id, 0.5)

    with SerialPool(evaluate) as pool:
        assert pool.capacity == 1
        for i in (4, 2, 6):
            pool.submit(make_trial(i))
        assert evaluated == []
        assert pool.next_outcome() == Success(4, 0.5)
        assert evaluated == [4]
        assert [pool.next_outcome().trial_id for _ in range(2)] == [2, 6]


def test_an_interrupted_evaluation_can_be_taken_up_again(make_trial):
    interrupts = [KeyboardInterrupt]

    def evaluate(trial):
        if interrupts:
            raise interrupts.pop()
        return Success(trial.id, 0.5)

    with SerialPool(evaluate) as pool:
        pool.submit(make_trial(1))
        with pytest.raises(KeyboardInterrupt):
            pool.next_outcome()
        assert pool.next_outcome() == Success(1, 0.5)
