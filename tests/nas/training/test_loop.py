import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.data.load import load_data
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.models.network import build_network
from nas.training import loop
from nas.training.loop import DivergedError, accuracy, start_training, train
from nas.training.state import read_state, write_state

QUICK = TrainRecipe(epochs=2, batch_size=16, learning_rate=0.1, crop_padding=1, flip=False)


def make_split(num_images, seed=0):
    """Dark and bright images: anything that learns tells them apart."""
    generator = np.random.default_rng(seed)
    labels = np.arange(num_images) % 2
    images = generator.integers(0, 100, (num_images, 1, 8, 8)) + 150 * labels[:, None, None, None]
    return Split(images.astype(np.uint8), labels)


def make_data(num_train=40):
    train_split, validation = make_split(num_train), make_split(20, seed=1)
    return DataSet(train_split, validation, lambda: validation, ("dark", "bright"), (0.5,), (0.3,))


class Small(nn.Module):
    """A network that writes down what it is told and given."""

    def __init__(self, scale=1.0, auxiliary=False):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        self.dropout = nn.Dropout(0.5)
        self.scale = scale
        self.auxiliary = auxiliary
        self.told, self.given = [], []

    def set_progress(self, fraction):
        self.told.append(fraction)

    def forward(self, images):
        self.given.append(images.detach().clone())
        logits = self.dropout(self.layers(images)) * self.scale
        return (logits, logits) if self.auxiliary and self.training else logits


@pytest.fixture(autouse=True)
def generator_is_left_alone():
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def test_training_learns_what_can_be_learned():
    data, network = make_data(), Small()
    before = accuracy(network, data.validation, data, QUICK)
    result = train(network, data, QUICK, seed=1)
    # chance is 0.5, and brightness alone separates the classes
    assert accuracy(network, data.validation, data, QUICK) > max(0.9, before)
    assert result.epochs[1].loss < result.epochs[0].loss
    assert 0 <= result.epochs[1].accuracy <= 1
    assert result.num_steps == 4
    assert result.seconds >= sum(epoch.seconds for epoch in result.epochs) > 0


def test_a_network_made_of_cells_learns_the_digits():
    data = load_data(DataSpec("digits", num_train=600))
    cell = Cell((Block(Edge(0, "sep_conv_3x3"), Edge(1, "conv_3x3")),))
    spec = NetworkSpec(
        image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=2, auxiliary=True, drop_path=0.1
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = build_network(Architecture(cell, cell), spec)
    recipe = TrainRecipe(epochs=3, batch_size=16, learning_rate=0.1, crop_padding=0, flip=False)
    train(network, data, recipe, seed=0)
    # chance is 0.1; eight seeds gave between 0.61 and 0.85
    assert accuracy(network, data.validation, data, recipe) > 0.4


def weights_after(seed, recipe=QUICK, **settings):
    network = Small(**settings)
    train(network, make_data(), recipe, seed=seed)
    return torch.cat([tensor.flatten().double() for tensor in network.state_dict().values()])


def test_the_same_seed_gives_the_same_weights_to_the_last_bit():
    assert torch.equal(weights_after(1), weights_after(1))
    assert not torch.equal(weights_after(1), weights_after(2))


def test_torchs_generator_and_threads_are_left_as_they_were():
    network = Small()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(network, make_data(), TrainRecipe(epochs=1, num_threads=threads + 1), seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("num_images", "batch_size", "sizes"), [(17, 16, [16]), (33, 16, [16, 16]), (5, 16, [5]), (32, 16, [16, 16])]
)
def test_a_smaller_last_batch_is_left_out_and_a_small_split_is_one_batch(num_images, batch_size, sizes):
    network = Small()
    train(network, make_data(num_images), TrainRecipe(epochs=1, batch_size=batch_size), seed=0)
    assert [len(images) for images in network.given] == sizes


def test_the_network_is_told_its_progress_and_the_rate_follows_one_cosine():
    network, rates = Small(), []
    result = train(network, make_data(), QUICK, seed=0, after_epoch=lambda epoch: rates.append(epoch.learning_rate))
    assert network.told == [0, 0.25, 0.5, 0.75]
    assert rates == [epoch.learning_rate for epoch in result.epochs]
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * part)) for part in (0.25, 0.75)])


def test_images_come_normalized_and_with_channels_last_only_when_asked_for():
    network = Small()
    train(network, make_data(), TrainRecipe(epochs=1, batch_size=40, crop_padding=0, flip=False), seed=0)
    (images,) = network.given
    expected = (make_data().train.images / 255 - 0.5) / 0.3
    assert float(images.mean()) == pytest.approx(expected.mean(), abs=1e-4)
    assert network.layers[0].weight.is_contiguous(memory_format=torch.channels_last)
    train(network, make_data(), TrainRecipe(epochs=1, channels_last=False), seed=0)
    assert network.layers[0].weight.is_contiguous()


@pytest.mark.parametrize(("settings", "loss"), [({"scale": math.nan}, "nan"), ({"scale": math.inf}, "nan|inf")])
def test_a_loss_that_is_not_finite_ends_the_training_at_once(settings, loss):
    network = Small(**settings)
    with pytest.raises(DivergedError, match=f"the training loss must be finite, got a sum of ({loss})"):
        train(network, make_data(), QUICK, seed=0)
    assert len(network.given) == 1


def test_a_loss_is_looked_at_now_and_then_where_each_look_costs(monkeypatch):
    monkeypatch.setattr(loop, "_look_every", lambda device: 3)
    network = Small(scale=math.nan)
    network.scale = 1.0
    network.register_forward_hook(lambda *_: setattr(network, "scale", math.nan))
    with pytest.raises(DivergedError):
        train(network, make_data(160), QUICK, seed=0)
    assert len(network.given) == 4


def test_weights_that_are_not_finite_after_the_last_step_are_noticed_in_evaluation():
    data = make_data()
    with pytest.raises(DivergedError, match="the logits are not finite in evaluation"):
        accuracy(Small(scale=math.nan), data.validation, data, QUICK)


def test_accuracy_is_the_share_of_right_answers_and_leaves_the_mode_alone():
    data = make_data()

    class ByBrightness(Small):
        def forward(self, images):
            assert not self.training
            bright = images.mean((1, 2, 3))
            return torch.stack([-bright, bright], 1) * self.scale

    for scale, expected in ((1.0, 1.0), (-1.0, 0.0)):
        network = ByBrightness(scale).train()
        assert accuracy(network, data.validation, data, TrainRecipe(batch_size=7)) == expected
        assert network.training
    network = ByBrightness().eval()
    accuracy(network, data.validation, data, QUICK)
    assert not network.training


def test_the_auxiliary_head_is_part_of_the_loss():
    losses = {}
    for auxiliary in (False, True):
        network = Small(auxiliary=auxiliary)
        result = train(network, make_data(), TrainRecipe(epochs=1, batch_size=40, auxiliary_weight=0.5), seed=0)
        losses[auxiliary] = result.epochs[0].loss
    assert losses[True] == pytest.approx(1.5 * losses[False])


def test_bfloat16_trains_with_weights_in_float32():
    network, data = Small(), make_data()
    recipe = TrainRecipe(epochs=2, batch_size=16, learning_rate=0.1, precision="bfloat16", crop_padding=0, flip=False)
    train(network, data, recipe, seed=1)
    assert network.layers[0].weight.dtype == torch.float32
    assert accuracy(network, data.validation, data, recipe) > 0.9
    assert not torch.equal(weights_after(1, recipe), weights_after(1, TrainRecipe(epochs=2, batch_size=16)))


def test_a_network_is_compiled_only_when_asked_for(monkeypatch):
    compiled = []

    def compile_network(network, *, dynamic, mode):
        compiled.append((network, mode))
        return network

    monkeypatch.setattr(torch, "compile", compile_network)
    network = Small()
    train(network, make_data(), QUICK, seed=0)
    assert compiled == []
    train(network, make_data(), TrainRecipe(epochs=1, compile=True), seed=0)
    assert compiled == [(network, "default")]


def test_the_gradients_of_four_parts_are_those_of_the_whole_batch():
    class Grouped(Small):
        def __init__(self):
            super().__init__()
            self.layers[1], self.dropout = nn.GroupNorm(2, 4), nn.Identity()

    networks = Grouped(), Grouped()
    recipe = dataclasses.replace(QUICK, epochs=1, gradient_clip=0, momentum=0, weight_decay=0)
    for network, accumulate in zip(networks, (1, 4), strict=True):
        result = train(network, make_data(16), dataclasses.replace(recipe, accumulate=accumulate), seed=3)
        assert result.num_steps == 1
        assert [len(images) for images in network.given] == [16 // accumulate] * accumulate
    for whole, parts in zip(*(network.parameters() for network in networks), strict=True):
        torch.testing.assert_close(parts.grad, whole.grad, atol=1e-6, rtol=0)


def test_parts_must_divide_the_batch():
    with pytest.raises(ValueError, match="accumulate must divide batch_size, 16, got 3"):
        TrainRecipe(batch_size=16, accumulate=3)


def test_the_test_images_stay_closed():
    def fail():
        raise AssertionError

    split = make_split(20)
    data = DataSet(split, split, fail, ("dark", "bright"), (0.5,), (0.3,))
    train(Small(), data, QUICK, seed=0)


FULL = TrainRecipe(
    epochs=4,
    batch_size=16,
    learning_rate=0.1,
    crop_padding=1,
    cutout=2,
    mixup=0.2,
    cutmix=0.5,
    ema_decay=0.9,
    warmup_epochs=1,
    decay_biases=False,
)


def everything(training):
    return {name: tensor.clone() for name, tensor in training.state().tensors.items()}


@pytest.mark.parametrize("changes", [{}, {"optimizer": "rmsprop"}, {"min_crop_area": 0.5}, {"momentum": 0.0}])
def test_a_training_goes_on_in_another_process_as_if_nothing_had_been(tmp_path, changes):
    recipe = TrainRecipe(**{**dataclasses.asdict(FULL), **changes})
    data, path = make_data(), tmp_path / "state.safetensors"
    with start_training(Small(), data, recipe, seed=3) as whole:
        results = [whole.run_epoch() for _ in range(4)]
        expected = everything(whole)
    with start_training(Small(), data, recipe, seed=3) as first:
        first.run_epoch()
        first.run_epoch()
        write_state(path, first.state())
    with start_training(Small(scale=1.0), data, recipe, seed=3) as second:
        second.restore(read_state(path))
        assert second.num_epochs == 2
        more = [second.run_epoch() for _ in range(2)]
        found = everything(second)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert [epoch.loss for epoch in more] == [epoch.loss for epoch in results[2:]]


def test_the_state_of_another_network_is_refused():
    data = make_data()
    with start_training(Small(), data, QUICK, seed=0) as training:
        state = training.state()
    other = Small()
    other.layers[0] = nn.Conv2d(1, 5, 3)
    with (
        start_training(other, data, QUICK, seed=0) as training,
        pytest.raises(ValueError, match="checkpoint does not match this network"),
    ):
        training.restore(state)


class Teacher(Small):
    def forward(self, images):
        bright = 20 * images.mean((1, 2, 3))
        return torch.stack([-bright, bright], 1)


def test_a_network_learns_from_its_teacher_alone():
    data, network = make_data(80), Small()
    network.dropout = nn.Identity()
    recipe = TrainRecipe(epochs=4, batch_size=16, learning_rate=0.05, crop_padding=0, distillation=1.0, temperature=4)
    wrong = DataSet(
        Split(data.train.images, 1 - data.train.labels),
        data.validation,
        data.test,
        data.class_names,
        data.mean,
        data.std,
    )
    with start_training(network, wrong, recipe, seed=0, teacher=Teacher()) as training:
        for _ in range(4):
            training.run_epoch()
    # all labels are wrong, the teacher is right: chance is 0.5
    assert accuracy(network, data.validation, data, recipe) > 0.9


@pytest.mark.parametrize(("share", "teacher"), [(0.5, None), (0.0, Teacher())])
def test_distillation_needs_a_teacher_and_a_teacher_distillation(share, teacher):
    recipe = TrainRecipe(distillation=share)
    with (
        pytest.raises(ValueError, match="must be above 0 with a teacher and 0 without"),
        start_training(Small(), make_data(), recipe, seed=0, teacher=teacher),
    ):
        pass


def test_the_average_follows_the_network():
    data = make_data()
    with start_training(Small(), data, FULL, seed=0) as training:
        training.run_epoch()
        average, network = training.average.module, training.network
        assert int(training.average.n_averaged) == training.steps_per_epoch == 2
        assert not torch.equal(average.layers[0].weight, network.layers[0].weight)


def test_images_that_are_larger_than_the_network_takes_are_cropped():
    network = Small()
    recipe = TrainRecipe(epochs=1, batch_size=8, crop_padding=0)
    data = make_data()
    network.layers[4] = nn.Linear(64, 2)
    with start_training(network, data, recipe, seed=0, image_size=6) as training:
        training.run_epoch()
    assert network.given[0].shape == (8, 1, 6, 6)
    with (
        pytest.raises(ValueError, match="at least the 9 pixels that the network takes, got 8"),
        start_training(network, data, recipe, seed=0, image_size=9),
    ):
        pass
