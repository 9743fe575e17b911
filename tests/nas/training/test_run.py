"""A full training: what it writes, how it goes on, what it refuses."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.data.photograph_split import Photographs, PhotographSplit
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.models.checkpoint import load_checkpoint
from nas.training.evaluation import evaluate
from nas.training.run import TrainingCallbacks, TrainingPlan, read_result, run_training

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
SPEC = NetworkSpec(num_classes=2, image_size=8, num_filters=2, num_repeats=1, num_stages=2, in_channels=1)
RECIPE = TrainRecipe(epochs=3, batch_size=8, learning_rate=0.1, crop_padding=1, flip=False, ema_decay=0.9)
PLAN = TrainingPlan(Architecture(CELL, CELL), Fidelity(SPEC, RECIPE, DataSpec()), seed=1)


def make_split(num_images, seed):
    labels = np.arange(num_images) % 2
    noise = np.random.default_rng(seed).integers(0, 100, (num_images, 1, 8, 8))
    return Split((noise + 120 * labels[:, None, None, None]).astype(np.uint8), labels)


@pytest.fixture
def data():
    return DataSet(make_split(32, 0), make_split(10, 1), lambda: make_split(12, 2), ("dark", "bright"), (0.5,), (0.25,))


class KilledError(BaseException):
    """What stands for kill -9 here; the real one is in tests/chaos."""


def kill_after(number):
    def after_epoch(records):
        if len(records) == number:
            raise KilledError

    return TrainingCallbacks(after_epoch=after_epoch)


def test_all_files_are_written_and_agree(tmp_path, data):
    seen, steps = [], []
    watch = TrainingCallbacks(
        lambda step: steps.append((step.epoch, step.done, step.num_steps)), lambda records: seen.append(len(records))
    )
    result = run_training(PLAN, data, tmp_path, watch)
    assert seen == [0, 1, 2, 3]
    assert steps[:5] == [(1, 1, 4), (1, 2, 4), (1, 3, 4), (1, 4, 4), (2, 1, 4)]
    assert read_result(tmp_path) == json.loads(json.dumps(result))
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert min(record["peak_bytes"] for record in records) > 1e6
    assert result["validation"] == records[-1]["validation"]
    assert result["validation"].keys() == result["test"].keys() == {"raw", "ema"}
    assert result["num_parameters"] > 0 < result["num_multiply_adds"]
    assert result["cuda_graph"] == "not used: not a CUDA device"
    assert result["images_per_second"] == pytest.approx(96 / sum(record["seconds"] for record in records))
    assert result["recipe"]["ema_decay"] == 0.9
    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.jsonl",
        "network.safetensors",
        "result.json",
        "state.safetensors",
    }


def test_the_network_that_is_kept_is_the_one_that_validation_chose(tmp_path, data):
    result = run_training(PLAN, data, tmp_path)
    kept = load_checkpoint(tmp_path / "network.safetensors")
    chosen = result["chosen"]
    best = max(score["top1"] for score in result["validation"].values())
    assert kept.accuracy == result["validation"][chosen]["top1"] == best
    assert evaluate(kept.network, data.load_test(), data, RECIPE).to_json() == result["test"][chosen]
    assert kept.evaluation["test"] == result["test"][chosen]
    assert kept.evaluation["crop"] == 8
    assert kept.evaluation["recipe"]["learning_rate"] == result["recipe"]["learning_rate"]
    assert kept.evaluation["seconds"] == result["seconds"]


def kill_within(epoch, step):
    def after_step(now):
        if (now.epoch, now.done) == (epoch, step):
            raise KilledError

    return TrainingCallbacks(after_step)


OFTEN = dataclasses.replace(PLAN, checkpoint_minutes=1e-9)


def test_a_training_killed_within_epochs_goes_on_to_the_same_weights(tmp_path, data):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    run_training(PLAN, data, whole)
    for place in ((1, 2), (2, 1), (2, 3)):
        with pytest.raises(KilledError):
            run_training(OFTEN, data, broken, kill_within(*place))
    steps = []
    run_training(OFTEN, data, broken, TrainingCallbacks(steps.append))
    first = steps[0]
    # the first step after the last checkpoint, which was written after step 3
    assert (first.epoch, first.done, first.num_steps, first.num_images) == (2, 4, 4, RECIPE.batch_size)
    assert 0 < first.wait_seconds < first.seconds
    ours, theirs = (load_file(folder / "state.safetensors") for folder in (whole, broken))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    records = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (whole, broken)]
    for mine, other in zip(*([*map(json.loads, lines)] for lines in records), strict=True):
        assert (mine["loss"], mine["accuracy"]) == (other["loss"], other["accuracy"])


def test_a_training_on_streamed_photographs_killed_within_an_epoch_goes_on_to_the_same_weights(tmp_path):
    names = np.array([f"{number}.png".encode() for number in range(24)])
    for number, name in enumerate(names):
        Image.new("RGB", (12, 10), (10 * number, 250 - 10 * number, 90)).save(tmp_path / name.decode())
    split = PhotographSplit(Photographs(tmp_path, names, np.arange(24), 8, 8), np.arange(24) % 2)
    photographs = DataSet(split, split, lambda: split, ("a", "b"), (0.5,) * 3, (0.25,) * 3)
    spec = dataclasses.replace(SPEC, in_channels=3)
    recipe = dataclasses.replace(RECIPE, epochs=2, crop_padding=0, min_crop_area=0.2, color_jitter=0.4, cutout=2)
    plan = dataclasses.replace(OFTEN, fidelity=Fidelity(spec, recipe, DataSpec()))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    run_training(dataclasses.replace(plan, checkpoint_minutes=None), photographs, whole)
    for place in ((1, 2), (2, 1)):
        with pytest.raises(KilledError):
            run_training(plan, photographs, broken, kill_within(*place))
    run_training(plan, photographs, broken)
    ours, theirs = (load_file(folder / "network.safetensors") for folder in (whole, broken))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_checkpoints_within_epochs_are_written_when_they_are_due_only(tmp_path, data):
    with pytest.raises(KilledError):
        run_training(dataclasses.replace(PLAN, checkpoint_minutes=60), data, tmp_path, kill_within(1, 3))
    assert not (tmp_path / "state.safetensors").exists()


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, data, epoch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    run_training(PLAN, data, whole)
    with pytest.raises(KilledError):
        run_training(PLAN, data, broken, kill_after(epoch))
    (broken / ".state.safetensors.1").write_bytes(b"half a checkpoint")
    run_training(PLAN, data, broken)
    for name in ("state.safetensors", "network.safetensors"):
        first, second = load_file(whole / name), load_file(broken / name)
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert not (broken / ".state.safetensors.1").exists()


def test_the_test_images_are_opened_once_after_the_last_epoch(tmp_path, data):
    events = []

    def open_test():
        events.append("test")
        return make_split(12, 2)

    sealed = dataclasses.replace(data, test=open_test)
    run_training(PLAN, sealed, tmp_path, TrainingCallbacks(after_epoch=lambda records: events.append(len(records))))
    assert events == [0, 1, 2, 3, "test"]


def test_without_test_images_all_else_is_there(tmp_path, data):
    def refuse():
        raise ValueError("test images must lie in test")

    result = run_training(PLAN, dataclasses.replace(data, test=refuse), tmp_path)
    assert result["test"] is None
    assert result["untested"] == "test images must lie in test"
    assert load_checkpoint(tmp_path / "network.safetensors").evaluation["test"] is None


def test_the_checkpoint_of_another_training_is_refused(tmp_path, data):
    with pytest.raises(KilledError):
        run_training(PLAN, data, tmp_path, kill_after(1))
    with pytest.raises(ValueError, match="checkpoint of another training"):
        run_training(dataclasses.replace(PLAN, seed=2), data, tmp_path)


def test_too_little_room_is_noticed_before_anything_is_trained(tmp_path, data, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(RuntimeError, match=r"checkpoints in .* need 0.0 MB, 0.0 MB are free") as caught:
        run_training(PLAN, data, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_training_starts_from_a_checkpoint_of_the_same_architecture(tmp_path, data):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    run_training(PLAN, data, first)
    start = str(first / "network.safetensors")
    recipe = dataclasses.replace(RECIPE, epochs=1, learning_rate=1e-9, ema_decay=0.0, crop_padding=0)
    plan = dataclasses.replace(PLAN, start=start, fidelity=Fidelity(SPEC, recipe, DataSpec()))
    run_training(plan, data, second)
    before, after = (load_checkpoint(folder / "network.safetensors").network for folder in (first, second))
    torch.testing.assert_close(after.stem[0].weight, before.stem[0].weight, atol=1e-5, rtol=0)
    other = Cell((Block(Edge(0, "conv_1x1"), Edge(1, "conv_3x3")),))
    with pytest.raises(ValueError, match="must hold weights of the architecture that is trained"):
        run_training(dataclasses.replace(plan, architecture=Architecture(other, other)), data, tmp_path)


def test_a_teacher_is_listened_to(tmp_path, data):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    run_training(PLAN, data, first)
    recipe = dataclasses.replace(RECIPE, distillation=0.5, epochs=1)
    teacher = str(first / "network.safetensors")
    plan = dataclasses.replace(PLAN, teacher=teacher, fidelity=Fidelity(SPEC, recipe, DataSpec()))
    assert run_training(plan, data, second)["teacher"] == teacher


def test_a_crop_must_fit_the_images(tmp_path, data):
    fidelity = Fidelity(SPEC, dataclasses.replace(RECIPE, test_crop=16), DataSpec())
    with pytest.raises(ValueError, match="a crop must be at most as large as the images"):
        run_training(dataclasses.replace(PLAN, fidelity=fidelity), data, tmp_path)
