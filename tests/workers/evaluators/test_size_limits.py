import pytest

from workers.evaluators.size_limits import TooLargeError, measure_within


def test_limits_are_inclusive(make_trial):
    trial = make_trial(0)
    cost = measure_within(trial, None, None)
    assert measure_within(trial, cost.num_parameters, cost.num_multiply_adds) == cost
    with pytest.raises(TooLargeError, match=f"at most {cost.num_parameters - 1:,} parameters"):
        measure_within(trial, cost.num_parameters - 1, None)
    with pytest.raises(TooLargeError, match="multiply-adds"):
        measure_within(trial, None, cost.num_multiply_adds - 1)
