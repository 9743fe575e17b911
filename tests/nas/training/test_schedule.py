import pytest
import torch
from torch import nn

from nas.fidelity import TrainRecipe
from nas.training.schedule import cosine, learning_rate, set_learning_rate


@pytest.mark.parametrize(("progress", "expected"), [(0, 1), (1 / 3, 0.75), (0.5, 0.5), (2 / 3, 0.25), (1, 0)])
def test_the_cosine_falls_from_1_to_0_over_the_whole_run(progress, expected):
    assert cosine(progress) == pytest.approx(expected, abs=1e-12)


def test_the_learning_rate_is_the_recipes_at_the_start():
    recipe = TrainRecipe(learning_rate=0.2)
    assert [learning_rate(recipe, progress) for progress in (0, 0.5, 1)] == pytest.approx([0.2, 0.1, 0])


def test_the_rate_is_set_for_all_groups():
    layers = nn.Linear(2, 2), nn.Linear(2, 2)
    optimizer = torch.optim.SGD([{"params": layer.parameters()} for layer in layers], lr=1.0)
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
