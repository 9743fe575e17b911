import pytest
import torch
from torch import nn

from nas.training.rmsprop import RMSProp


def walk(gradients, start=1.0, **settings):
    weight = nn.Parameter(torch.tensor([start]))
    optimizer = RMSProp([weight], 0.1, **settings)
    for gradient in gradients:
        weight.grad = torch.tensor([gradient])
        optimizer.step()
    return float(weight.detach()), optimizer.state[weight]


def test_two_steps_worked_out_by_hand():
    # squares start at 1: 0.9 + 0.1 * 4 = 1.3, then 0.9 * 1.3 + 0.1 * 1 = 1.27; epsilon stands below the root
    first = 0.1 * 2 / (1.3 + 1.0) ** 0.5
    second = 0.9 * first + 0.1 * -1 / (1.27 + 1.0) ** 0.5
    weight, state = walk([2.0, -1.0])
    assert weight == pytest.approx(1 - first - second)
    assert float(state["square_avg"]) == pytest.approx(1.27)
    assert float(state["momentum_buffer"]) == pytest.approx(second)


def test_weight_decay_is_part_of_the_gradient():
    assert walk([1.0], start=2.0, weight_decay=0.5)[0] == pytest.approx(2 - 0.1 * 2 / (0.9 + 0.1 * 4 + 1) ** 0.5)


def test_a_weight_without_a_gradient_stays():
    weight, still = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([5.0]))
    optimizer = RMSProp([weight, still], 0.1)
    weight.sum().backward()
    optimizer.step()
    assert float(weight.detach()) < 3
    assert float(still.detach()) == 5
