import math

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from nas.fidelity import TrainRecipe
from nas.training.device import build_scaler
from nas.training.optimizer import RMSProp, build_optimizer, decay_groups, step

CPU = torch.device("cpu")


class Point(nn.Module):
    """Two weights at (3, 4), and one that is not trained."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([3.0, 4.0]))
        self.fixed = nn.Parameter(torch.tensor([1.0]), requires_grad=False)


def walk(recipe, num_steps=1):
    """Takes steps on the sum of the weights times (3, 4): that is the gradient, of norm 5."""
    point = Point()
    optimizer = build_optimizer(point, recipe)
    for _ in range(num_steps):
        loss = (point.weights * torch.tensor([3.0, 4.0])).sum()
        step(optimizer, loss, scaler=build_scaler(CPU, torch.float32), gradient_clip=recipe.gradient_clip)
    assert point.fixed == 1
    return point.weights.detach()


def make_recipe(**settings):
    plain = {"learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0, "gradient_clip": 0.0}
    return TrainRecipe(**{**plain, **settings})


@pytest.mark.parametrize(
    ("settings", "num_steps", "expected"),
    [
        ({}, 1, [2.7, 3.6]),
        ({"weight_decay": 0.5}, 1, [2.55, 3.4]),
        ({"gradient_clip": 1.0}, 1, [2.94, 3.92]),
        ({"gradient_clip": 10.0}, 1, [2.7, 3.6]),
        # Nesterov: the first step is (1 + m) g, the second (1 + m + m^2) g
        ({"momentum": 0.5}, 1, [3 - 0.1 * 1.5 * 3, 4 - 0.1 * 1.5 * 4]),
        ({"momentum": 0.5}, 2, [3 - 0.1 * 3.25 * 3, 4 - 0.1 * 3.25 * 4]),
    ],
)
def test_steps_are_those_worked_out_by_hand(settings, num_steps, expected):
    torch.testing.assert_close(walk(make_recipe(**settings), num_steps), torch.tensor(expected))


@pytest.mark.parametrize("kind", ["sgd", "rmsprop"])
@pytest.mark.parametrize("gradient_clip", [0.0, 5.0])
def test_a_step_that_overflows_changes_nothing(kind, gradient_clip):
    """Also the first one, after which momentum must not be what memory held."""
    recipe = make_recipe(optimizer=kind, momentum=0.5, weight_decay=0.1)
    ends = []
    for factors in ([1.0, 1.0], [math.inf, 1.0, math.nan, 1.0]):
        point, scaler = Point(), GradScaler("cpu", init_scale=4.0)
        optimizer = build_optimizer(point, recipe)
        for factor in factors:
            step(optimizer, factor * point.weights.sum(), scaler=scaler, gradient_clip=gradient_clip)
        ends.append([point.weights.detach(), *optimizer.state[point.weights].values()])
    assert len(ends[0]) == (2 if kind == "sgd" else 3)
    assert all(torch.equal(plain, skipping) for plain, skipping in zip(*ends, strict=True))


@pytest.mark.parametrize("kind", ["sgd", "rmsprop"])
def test_a_parameter_may_have_its_first_gradient_later(kind):
    recipe, scaler = make_recipe(optimizer=kind, momentum=0.5), build_scaler(CPU, torch.float32)
    network, alone = nn.ModuleList(Point() for _ in range(2)), Point()
    optimizer = build_optimizer(network, recipe)
    for used in (network[:1], network):
        step(optimizer, sum(point.weights.sum() for point in used), scaler=scaler, gradient_clip=0)
    step(build_optimizer(alone, recipe), alone.weights.sum(), scaler=scaler, gradient_clip=0)
    assert torch.equal(network[1].weights, alone.weights)


@pytest.mark.parametrize(("nesterov", "expected"), [(True, -0.1 * (1.9 + 2.71)), (False, -0.1 * (1 + 1.9))])
def test_momentum_has_nesterovs_correction_unless_it_is_plain(nesterov, expected):
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    recipe = TrainRecipe(learning_rate=0.1, momentum=0.9, weight_decay=0, nesterov=nesterov)
    optimizer = build_optimizer(layer, recipe)
    for _ in range(2):
        layer.weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert layer.weight.item() == pytest.approx(expected)


def test_with_the_reference_batch_the_rate_is_scaled():
    optimizer = build_optimizer(Point(), make_recipe(batch_size=32, reference_batch=64))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_biases_scales_and_shifts_do_not_decay_when_asked_for():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    groups = decay_groups(list(network.parameters()), 0.5)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert [names[id(parameter)] for parameter in groups[0]["params"]] == ["0.weight", "3.weight"]
    assert [names[id(p)] for p in groups[1]["params"]] == ["0.bias", "1.weight", "1.bias", "3.bias"]
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]


@pytest.mark.parametrize(("decay_biases", "expected"), [(True, [2.55, 3.4]), (False, [2.7, 3.6])])
def test_a_vector_of_weights_decays_only_with_biases(decay_biases, expected):
    recipe = make_recipe(weight_decay=0.5, decay_biases=decay_biases)
    torch.testing.assert_close(walk(recipe), torch.tensor(expected))


def test_rmsprop_has_the_recipes_constants():
    recipe = make_recipe(optimizer="rmsprop", momentum=0.5, rmsprop_decay=0.75, rmsprop_epsilon=0.25, weight_decay=0.1)
    optimizer = build_optimizer(Point(), recipe)
    assert isinstance(optimizer, RMSProp)
    wanted = {"lr": 0.1, "decay": 0.75, "epsilon": 0.25, "momentum": 0.5, "weight_decay": 0.1}
    assert {name: optimizer.param_groups[0][name] for name in wanted} == wanted


def walk_rmsprop(gradients, start=1.0, **settings):
    weight = nn.Parameter(torch.tensor([start]))
    optimizer = RMSProp([weight], 0.1, **settings)
    for gradient in gradients:
        weight.grad = torch.tensor([gradient])
        optimizer.step()
    return float(weight.detach()), optimizer.state[weight]


def test_two_steps_of_rmsprop_worked_out_by_hand():
    # squares start at 1: 0.9 + 0.1 * 4 = 1.3, then 0.9 * 1.3 + 0.1 * 1 = 1.27; epsilon stands below the root
    first = 0.1 * 2 / (1.3 + 1.0) ** 0.5
    second = 0.9 * first + 0.1 * -1 / (1.27 + 1.0) ** 0.5
    weight, state = walk_rmsprop([2.0, -1.0])
    assert weight == pytest.approx(1 - first - second)
    assert float(state["square_avg"]) == pytest.approx(1.27)
    assert float(state["momentum_buffer"]) == pytest.approx(second)


def test_weight_decay_of_rmsprop_is_part_of_the_gradient():
    assert walk_rmsprop([1.0], start=2.0, weight_decay=0.5)[0] == pytest.approx(
        2 - 0.1 * 2 / (0.9 + 0.1 * 4 + 1) ** 0.5
    )


def test_for_rmsprop_a_weight_without_a_gradient_stays():
    weight, still = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([5.0]))
    optimizer = RMSProp([weight, still], 0.1)
    weight.sum().backward()
    optimizer.step()
    assert float(weight.detach()) < 3
    assert float(still.detach()) == 5
