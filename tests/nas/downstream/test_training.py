"""The training of detectors and segmenters on a toy that draws, normalizes and drops out."""

import dataclasses
from collections import Counter

import pytest
import torch
from torch import nn

from nas.downstream.recipe import DenseRecipe
from nas.downstream.training import DenseTraining, build_optimizer, start_dense
from nas.training.objective import DivergedError

RECIPE = DenseRecipe(
    iterations=10,
    batch_size=2,
    learning_rate=0.02,
    reference_batch=0,
    cuts=(4,),
    warmup_iterations=2,
    record_iterations=3,
    checkpoint_iterations=3,
    device="cpu",
)


class Noise:
    """Images that are noise drawn from their seeds, around numbers that are to be found."""

    def __init__(self, num_pictures=5):
        self.num_pictures = num_pictures
        self.seen = []

    def __len__(self):
        return self.num_pictures

    def batch(self, draws, device):
        self.seen += [draw.index for draw in draws]
        noise = [torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(draw.seed)) for draw in draws]
        return torch.stack(noise).to(device) + 1, torch.tensor([draw.index for draw in draws], device=device).float()


class Finder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 1, 2)
        )

    def forward(self, images, numbers):
        return {"distance": (self.layers(images).flatten() - numbers).square().mean(), "none": images.sum() * 0}


def make_network():
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(0)
        return Finder()


def train(records, *, state=None, seed=1, recipe=RECIPE):
    with start_dense(make_network(), Noise(), recipe, seed=seed) as training:
        if state is not None:
            training.restore(state)
        found = [training.run() for _ in range(records)]
        return found, training.state()


def without_seconds(records):
    return [{key: value for key, value in record.items() if "second" not in key} for record in records]


def test_every_image_is_seen_once_before_any_is_seen_again():
    images = Noise(5)
    with start_dense(make_network(), images, RECIPE, seed=3) as training:
        while not training.is_done:
            training.run()
    assert all(set(images.seen[first : first + 5]) == set(range(5)) for first in range(0, 20, 5))
    assert Counter(images.seen) == dict.fromkeys(range(5), 4)
    assert images.seen[:5] != images.seen[5:10]


def test_records_hold_means_of_all_losses_and_the_last_one_may_be_short():
    done = []
    with start_dense(make_network(), Noise(), RECIPE, seed=1) as training:
        records = [training.run(done.append) for _ in range(4)]
    assert done == list(range(1, 11))
    assert [record["iteration"] for record in records] == [3, 6, 9, 10]
    assert [record["learning_rate"] for record in records] == pytest.approx([0.02, 0.02, 0.002, 0.002])
    assert all(record["loss"] == pytest.approx(record["distance"]) for record in records)
    assert all(record["none"] == 0 and record["seconds"] > 0 < record["pictures_per_second"] for record in records)
    assert records[-1]["loss"] < records[0]["loss"]


def test_a_training_that_went_on_has_the_same_weights_to_the_last_bit():
    records, whole = train(4)
    first, state = train(2)
    second, continued = train(2, state=state)
    assert without_seconds(first + second) == without_seconds(records)
    assert continued.tensors.keys() == whole.tensors.keys()
    assert any(name.startswith("optimizer.") for name in whole.tensors)
    assert all(torch.equal(continued.tensors[name], whole.tensors[name]) for name in whole.tensors)
    _, other = train(4, seed=2)
    assert not torch.equal(other.tensors["network.layers.0.weight"], whole.tensors["network.layers.0.weight"])


def test_generators_and_threads_are_as_before():
    torch.manual_seed(7)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(7)
    train(1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_a_loss_that_is_not_finite_ends_the_training():
    recipe = dataclasses.replace(RECIPE, learning_rate=1e30)
    with pytest.raises(
        DivergedError, match=r"not finite in iteration \d+ \(distance .*, none .*\); lower the learning rate"
    ):
        train(4, recipe=recipe)


def test_a_training_begun_without_loss_scaling_resumes_with_it():
    _, state = train(1)
    assert state.values["scaler"] == {}
    with start_dense(make_network(), Noise(), RECIPE, seed=1) as training:
        training._scaler = torch.amp.GradScaler("cpu")
        training.restore(state)
        assert training.num_iterations == 3
        training.run()


def test_the_state_of_another_network_is_refused():
    _, state = train(1)
    with (
        start_dense(nn.Linear(2, 2), Noise(), RECIPE, seed=1) as training,
        pytest.raises(ValueError, match="checkpoint does not match this network"),
    ):
        training.restore(state)


def test_bfloat16_trains_and_float16_needs_a_gpu():
    records, _ = train(4, recipe=dataclasses.replace(RECIPE, precision="bfloat16"))
    assert records[-1]["loss"] < records[0]["loss"]
    with pytest.raises(ValueError, match="precision float16 needs CUDA"):
        DenseTraining(make_network(), Noise(), dataclasses.replace(RECIPE, precision="float16"), seed=0)


def test_norms_decay_only_if_asked_and_what_is_frozen_is_not_trained():
    network = make_network()
    network.layers[0].weight.requires_grad_(False)
    (group,) = build_optimizer(network, RECIPE).param_groups
    assert len(group["params"]) == 5
    weights, biases = build_optimizer(network, dataclasses.replace(RECIPE, decay_biases=False)).param_groups
    assert (weights["weight_decay"], biases["weight_decay"]) == (1e-4, 0)
    assert [len(each["params"]) for each in (weights, biases)] == [1, 4]
