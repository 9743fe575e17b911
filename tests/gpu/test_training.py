"""Training on a GPU: precision, CUDA graphs against eager steps, resuming, memory."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from nas.recipe import TrainRecipe
from nas.training.cuda_graph import GraphedCalls
from nas.training.evaluation import accuracy
from nas.training.loop import start_training, train
from nas.training.optimizer import build_optimizer, step

pytestmark = pytest.mark.gpu
RECIPE = TrainRecipe(epochs=3, batch_size=16, learning_rate=0.02, crop_padding=1, cutout=4, device="cuda")
EXACT = dataclasses.replace(RECIPE, precision="float32")
VARIANTS = {
    "plain": {},
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "float16 without clipping": {"precision": "float16", "gradient_clip": 0.0},
    "rmsprop": {"optimizer": "rmsprop"},
    "rmsprop in float16": {"optimizer": "rmsprop", "precision": "float16"},
    "average": {"ema_decay": 0.9},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
    "distillation": {"distillation": 0.5},
    "photographs": {"min_crop_area": 0.5, "cutout": 0},
    "photographs of two processes": {"min_crop_area": 0.5, "cutout": 0, "num_loaders": 2},
    "warmup and groups": {"warmup_epochs": 1.0, "decay_biases": False, "label_smoothing": 0.1},
}


def start(make_network, data, recipe):
    teacher = make_network() if recipe.distillation else None
    return start_training(make_network(), data, recipe, seed=0, teacher=teacher)


def run(make_network, data, recipe):
    """The losses of all epochs, and the state after the last one."""
    with start(make_network, data, recipe) as training:
        losses = [training.run_epoch().loss for _ in range(recipe.epochs)]
        if recipe.cuda_graph == "always":
            assert isinstance(training._call, GraphedCalls)
            assert training._call._replay is not None
        state = training.state()
        return losses, {name: tensor.clone() for name, tensor in state.tensors.items()}, state.values


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_each_precision_learns(make_network, bright_data, precision):
    network = make_network()
    recipe = dataclasses.replace(RECIPE, epochs=8, learning_rate=0.05, precision=precision, cuda_graph="always")
    train(network, bright_data, recipe, seed=0)
    assert all(weight.dtype == torch.float32 for weight in network.parameters())
    assert accuracy(network, bright_data.validation, bright_data, recipe) > 0.9  # chance is 0.5


@pytest.mark.parametrize("name", VARIANTS)
def test_a_graph_trains_as_eager_steps_do(make_network, bright_data, name):
    recipe = dataclasses.replace(EXACT, **VARIANTS[name])
    eager = run(make_network, bright_data, dataclasses.replace(recipe, cuda_graph="never"))
    graph = run(make_network, bright_data, dataclasses.replace(recipe, cuda_graph="always"))
    rough = recipe.precision != "float32"
    assert graph[0] == pytest.approx(eager[0], rel=0.05 if rough else 0.01)
    assert graph[1].keys() == eager[1].keys()
    assert graph[2]["scaler"] == eager[2]["scaler"]
    for key, tensor in eager[1].items():
        if key.startswith("random."):  # both drew the same numbers
            assert torch.equal(graph[1][key], tensor), key
        elif key.startswith(("network.", "average.")):
            torch.testing.assert_close(graph[1][key], tensor, rtol=0.05, atol=0.05 if rough else 0.01, msg=key)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize(
    "name", ["plain", "float16", "rmsprop in float16", "average", "mixup", "cutmix", "distillation"]
)
def test_no_eager_step_waits_for_the_gpu(make_network, bright_data, name):
    recipe = dataclasses.replace(EXACT, **VARIANTS[name], cuda_graph="never")
    with start(make_network, bright_data, recipe) as training:
        training.run_epoch()
        batches = list(training._batches.epoch(1))
        torch.cuda.set_sync_debug_mode("error")
        try:
            for number, batch in enumerate(batches):
                training._step(batch, number=number)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_a_first_step_that_overflows_changes_nothing(optimizer):
    layer = nn.Linear(64, 64).cuda()
    before = layer.weight.detach().clone()
    built = build_optimizer(layer, dataclasses.replace(RECIPE, optimizer=optimizer))
    scaler = GradScaler("cuda")
    step(built, layer.weight.sum() * float("inf"), scaler=scaler, gradient_clip=5.0)
    assert torch.equal(layer.weight, before)
    step(built, layer.weight.sum(), scaler=scaler, gradient_clip=5.0)
    assert torch.isfinite(layer.weight).all()
    assert not torch.equal(layer.weight, before)


@pytest.mark.parametrize("name", ["plain", "float16", "average", "rmsprop"])
def test_a_training_is_resumed_from_a_state_also_after_its_capture(make_network, bright_data, name):
    recipe = dataclasses.replace(EXACT, **VARIANTS[name])
    with start(make_network, bright_data, recipe) as whole:
        whole.run_epoch()
        state = whole.state()
        kept = dataclasses.replace(state, tensors={key: tensor.clone() for key, tensor in state.tensors.items()})
        expected = [whole.run_epoch().loss for _ in range(2)]
        whole.restore(kept)
        again = [whole.run_epoch().loss for _ in range(2)]
    with start(make_network, bright_data, recipe) as other:
        other.restore(kept)
        resumed = [other.run_epoch().loss for _ in range(2)]
    assert again == pytest.approx(expected, rel=0.05)
    assert resumed == pytest.approx(expected, rel=0.05)


def test_the_memory_of_a_training_is_free_afterwards(make_network, bright_data):
    train(make_network(), bright_data, RECIPE, seed=0)  # libraries allocate their workspaces
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for _ in range(3):
        train(make_network(), bright_data, RECIPE, seed=0)
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() <= before[0] + 2**20
    assert torch.cuda.memory_reserved() <= before[1] + 2**25
