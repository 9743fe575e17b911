from __future__ import annotations

import pytest
import torch

from nas.models.drop_path import ScheduledDropPath


def test_probability_grows_with_depth_and_progress():
    drop_path = ScheduledDropPath([2, 0, 1], rate=0.6)
    images = torch.zeros(20_000, 3, 1, 1)
    drop_path.set_progress(0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = drop_path.draw(images)
    assert len(drawn) == 3
    for factors, rate in zip(drawn, (0.1, 0.1, 0.3), strict=True):
        assert factors.shape == (20_000, 1, 1, 1)
        # The share of 20,000 draws has a standard deviation below 0.0033: three hundredths are nine of them.
        assert (factors == 0).float().mean().item() == pytest.approx(rate, abs=0.03)
        assert factors.max().item() == pytest.approx(1 / (1 - rate))


def test_nothing_is_dropped_at_the_start():
    factors = ScheduledDropPath([3], rate=0.9).draw(torch.zeros(100, 1))
    assert all(torch.equal(factor, torch.ones(100, 1, 1, 1)) for factor in factors)


def test_each_image_and_path_is_drawn_for_itself():
    drop_path = ScheduledDropPath([2], rate=0.5)
    drop_path.set_progress(1.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        left, right = drop_path.draw(torch.zeros(64, 1))
    assert len(left.unique()) == 2
    assert not torch.equal(left, right)


def test_buffers_do_not_enter_the_state_dict():
    assert ScheduledDropPath([1], rate=0.5).state_dict() == {}


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_progress_must_be_a_share(fraction):
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        ScheduledDropPath([1], rate=0.5).set_progress(fraction)
