import contextlib
import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch
from torch.amp.grad_scaler import GradScaler
from torch.utils._python_dispatch import TorchDispatchMode

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.fidelity import NetworkSpec, TrainRecipe
from nas.models.network import build_network
from nas.training import cuda_graph, evaluation, loop, optimizer
from nas.training.cuda_graph import NUM_WARMUP, GraphedCalls, call_eagerly, choose_caller, graph_obstacle
from nas.training.evaluation import evaluate
from nas.training.loop import start_training

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
RECIPE = TrainRecipe(epochs=2, batch_size=4, learning_rate=0.1, crop_padding=1, cutout=2, num_threads=1)


class EagerStream:
    """Stands for a CUDA stream: a "graph" calls the function again, with the static tensors."""

    def __init__(self):
        self.events = []

    def run(self, function):
        self.events.append("eager")
        function()

    def capture(self, function):
        self.events.append("capture")

        def replay():
            self.events.append("replay")
            function()

        return replay


def test_calls_are_eager_then_captured_once_and_replayed_with_the_values_of_each_call():
    stream, total = EagerStream(), torch.zeros(2)
    calls = GraphedCalls(stream)
    for number in range(NUM_WARMUP + 2):
        calls(total.add_, torch.full((2,), float(number)))
    assert total.tolist() == [sum(range(NUM_WARMUP + 2))] * 2
    assert stream.events == ["eager"] * NUM_WARMUP + ["capture", "replay", "replay"]


def test_a_smaller_batch_is_not_given_to_the_graph():
    stream, seen = EagerStream(), []
    calls = GraphedCalls(stream)
    for size in [2] * (NUM_WARMUP + 1) + [1, 2]:
        calls(lambda values: seen.append(len(values)), torch.zeros(size))
    assert seen == [2] * (NUM_WARMUP + 1) + [1, 2]
    assert stream.events[NUM_WARMUP:] == ["capture", "replay", "eager", "replay"]


def test_static_tensors_keep_the_memory_format():
    kept = []
    calls = GraphedCalls(EagerStream())
    for _ in range(NUM_WARMUP + 1):
        calls(kept.append, torch.zeros(2, 3, 4, 4).contiguous(memory_format=torch.channels_last))
    assert kept[-1].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("settings", "device", "members", "obstacle"),
    [
        ({}, CUDA, 1, None),
        ({"cuda_graph": "always"}, CUDA, 1, None),
        ({"cuda_graph": "never"}, CUDA, 1, "switched off"),
        ({}, CPU, 1, "not a CUDA device"),
        ({"compile": True}, CUDA, 1, "torch.compile captures its own graphs"),
        ({}, CUDA, 2, "several workers average their gradients"),
    ],
)
def test_one_reason_is_stated_where_steps_are_not_captured(settings, device, members, obstacle):
    assert graph_obstacle(TrainRecipe(**settings), device, num_members=members) == obstacle


def test_always_is_an_error_where_it_is_not_possible():
    with pytest.raises(ValueError, match=r"always is not possible \(not a CUDA device\); allowed here: auto, never"):
        graph_obstacle(TrainRecipe(cuda_graph="always"), CPU)
    assert choose_caller("switched off", CPU) is call_eagerly


def make_data(num_train=24):
    images = np.random.default_rng(0).integers(0, 256, (num_train, 3, 8, 8), dtype=np.uint8)
    split = Split(images, np.arange(num_train) % 2)
    return DataSet(split, split, lambda: split, ("a", "b"), (0.5,) * 3, (0.25,) * 3)


def make_network():
    """All that is random in a network: drop path and dropout; with an auxiliary head."""
    cell = Cell((Block(Edge(0, "sep_conv_3x3"), Edge(1, "avg_pool_3x3"), norm="ibn"),))
    spec = NetworkSpec(
        num_classes=2,
        image_size=8,
        num_filters=4,
        num_repeats=1,
        num_stages=2,
        auxiliary=True,
        drop_path=0.2,
        dropout=0.2,
    )
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(0)
        return build_network(Architecture(cell, cell), spec)


def trained(recipe):
    teacher = make_network().eval() if recipe.distillation else None
    with start_training(make_network(), make_data(), recipe, seed=0, teacher=teacher) as training:
        losses = [training.run_epoch().loss for _ in range(recipe.epochs)]
        return losses, {name: tensor.clone() for name, tensor in training.state().tensors.items()}


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "rmsprop", "ema_decay": 0.9}, {"mixup": 0.2, "distillation": 0.5}, {"min_crop_area": 0.5}],
)
def test_a_training_through_static_tensors_is_bit_identical(monkeypatch, changes):
    recipe, stream = dataclasses.replace(RECIPE, **changes), EagerStream()
    expected, weights = trained(recipe)
    monkeypatch.setattr(loop, "choose_caller", lambda *_: GraphedCalls(stream))
    found, others = trained(recipe)
    assert found == expected
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert stream.events.count("replay") == 12 - NUM_WARMUP


@pytest.mark.parametrize("kind", ["sgd", "rmsprop"])
def test_the_learning_rate_may_be_a_tensor_that_is_read_at_each_step(monkeypatch, kind):
    recipe = dataclasses.replace(RECIPE, optimizer=kind)
    losses, _ = trained(recipe)
    monkeypatch.setattr(optimizer, "_on_device", lambda rate, _: torch.tensor(rate))
    assert trained(recipe)[0] == pytest.approx(losses, rel=1e-5)


class NoReads(TorchDispatchMode):
    """Forbids operations that wait for a GPU: reading a value, or a shape that depends on values."""

    names = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "item", "unique", "masked_select")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in self.names:
            raise AssertionError(f"{func} would wait for the GPU")
        return func(*args, **(kwargs or {}))


def test_the_check_for_reads_finds_them():
    with pytest.raises(AssertionError, match="would wait"), NoReads():
        bool(torch.ones(()) > 0)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "rmsprop"}, {"gradient_clip": 0.0, "distillation": 0.5}])
def test_nothing_in_a_step_waits_for_the_device(monkeypatch, changes):
    recipe = dataclasses.replace(RECIPE, **changes)
    monkeypatch.setattr(loop, "build_scaler", lambda *_: GradScaler("cpu", init_scale=2.0))  # as float16 has
    teacher = make_network().eval() if recipe.distillation else None
    with start_training(make_network(), make_data(), recipe, seed=0, teacher=teacher) as training:
        for batch in training._batches.epoch(0):
            with NoReads():
                training._load_and_learn(*batch)


def test_an_evaluation_through_static_tensors_counts_the_same_and_waits_for_nothing(monkeypatch):
    data, network, stream = make_data(22), make_network(), EagerStream()
    expected = evaluate(network, data.validation, data, RECIPE)
    calls = GraphedCalls(stream)

    def checked(function, *inputs):
        with NoReads():
            calls(function, *inputs)

    monkeypatch.setattr(evaluation, "choose_caller", lambda *_: checked)
    assert evaluate(network, data.validation, data, RECIPE) == expected
    # 22 images in batches of 4: the sixth has two
    assert stream.events == ["eager"] * NUM_WARMUP + ["capture", "replay", "replay", "eager"]


class Graph:
    """Stands for torch's CUDAGraph."""

    def __init__(self):
        self.generators = []

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def replay(self):
        return self.generators


@pytest.fixture
def cuda_stream(monkeypatch):
    """A stream on stand-ins of torch.cuda, for what is around a capture, and its generator."""
    capture = lambda graph, *, stream, capture_error_mode: contextlib.nullcontext()  # noqa: E731
    for name, value in {"CUDAGraph": Graph, "graph": capture, "Stream": lambda device: None}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    generator = torch.Generator()
    return cuda_graph.CudaStream(CUDA, [generator]), generator


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("not permitted"), r"captured as a CUDA graph \(not permitted\); set recipe.cuda_graph to never"),
        (torch.OutOfMemoryError("full"), "^full$"),
    ],
)
def test_errors_of_a_capture_name_the_setting_and_those_of_memory_pass(cuda_stream, error, message):
    stream, generator = cuda_stream
    assert stream.capture(lambda: None)() == [generator]

    def fail():
        raise error

    with pytest.raises(RuntimeError, match=message) as caught:
        stream.capture(fail)
    assert error in (caught.value, caught.value.__cause__)


class ForgetfulStream(EagerStream):
    """Keeps no function, as a CUDA graph does not."""

    def capture(self, function):
        return lambda: None


def test_a_training_is_freed_without_the_garbage_collector(monkeypatch):
    """A worker's next trial needs its memory on the GPU."""
    monkeypatch.setattr(loop, "choose_caller", lambda *_: GraphedCalls(ForgetfulStream()))
    gc.collect()
    gc.disable()
    try:
        with start_training(make_network(), make_data(), RECIPE, seed=0) as training:
            training.run_epoch()
        alive = weakref.ref(training)
        del training
        assert alive() is None
    finally:
        gc.enable()
