import pytest
import torch
from torch import nn

from nas.training.average import MovingAverage, decay_after


def follow(decay, values):
    """The average of a weight that takes these values, and that of a running statistic that takes twice of them."""
    norm = nn.BatchNorm2d(1)
    average = MovingAverage(norm, decay)
    for value in values:
        with torch.no_grad():
            norm.weight.fill_(value)
            norm.running_mean.fill_(2 * value)
            norm.num_batches_tracked += 1
        average.update_parameters(norm)
    assert int(average.module.num_batches_tracked) == len(values)
    return float(average.module.weight.detach()), float(average.module.running_mean)


def test_three_steps_worked_out_by_hand():
    # the first value is taken over; then 2/11 and 3/12 of the old average are kept: few steps, short memory
    second = 2 / 11 * 1.0 + 9 / 11 * 4.0
    third = 3 / 12 * second + 9 / 12 * 2.0
    weight, statistic = follow(0.9999, [1.0, 4.0, 2.0])
    assert weight == pytest.approx(third)
    assert statistic == pytest.approx(2 * third)


def test_the_decay_is_never_above_the_recipes():
    assert follow(0.1, [1.0, 4.0])[0] == pytest.approx(0.1 * 1 + 0.9 * 4)
    assert decay_after(10**6, 0.9999) == 0.9999
    assert decay_after(89, 0.9999) == pytest.approx(90 / 99)


def test_the_network_itself_is_left_alone():
    layer = nn.Linear(1, 1)
    before = layer.weight.detach().clone()
    average = MovingAverage(layer, 0.5)
    average.update_parameters(layer)
    average.module.weight.data.zero_()
    assert torch.equal(layer.weight, before)
