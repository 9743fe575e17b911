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


def test_a_rate_that_is_a_tensor_is_changed_in_place():
    rate = torch.tensor(1.0)
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=rate)
    set_learning_rate(optimizer, 0.125)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == 0.125


def rates(recipe, num_steps):
    return [learning_rate(recipe, step / num_steps, step_share=1 / num_steps) for step in range(num_steps)]


def test_the_warm_up_rises_in_a_line_and_the_cosine_has_the_rest():
    # 4 of 12 steps: the i-th has i/4 of the rate; then 8 steps of cosine from its very start
    recipe = TrainRecipe(epochs=6, warmup_epochs=2, learning_rate=0.4)
    expected = [0.1, 0.2, 0.3, 0.4, *(0.4 * cosine(step / 8) for step in range(8))]
    assert rates(recipe, 12) == pytest.approx(expected)


def test_the_rate_is_that_of_the_reference_batch_scaled():
    recipe = TrainRecipe(learning_rate=0.1, batch_size=512, reference_batch=256)
    assert learning_rate(recipe, 0.0) == pytest.approx(0.2)


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.1), (29, 0.1), (30, 0.01), (59, 0.01), (60, 1e-3), (90, 1e-4)])
def test_steps_fall_at_30_60_and_90_epochs(epoch, expected):
    recipe = TrainRecipe(epochs=120, learning_rate=0.1, schedule="step")
    assert learning_rate(recipe, epoch / 120) == pytest.approx(expected)


def test_the_exponential_falls_smoothly_by_the_factor_every_so_many_epochs():
    recipe = TrainRecipe(epochs=24, learning_rate=1.0, schedule="exponential", decay_factor=0.97, decay_every=2.4)
    assert [learning_rate(recipe, part) for part in (0, 0.05, 0.1, 1)] == pytest.approx([1, 0.97**0.5, 0.97, 0.97**10])


def test_a_constant_rate_stays():
    assert rates(TrainRecipe(learning_rate=0.3, schedule="constant"), 3) == [0.3] * 3
