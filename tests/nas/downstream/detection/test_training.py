"""A detector's training from a plan: what comes of it, that it goes on after a kill, and what it refuses."""

import contextlib
import dataclasses
import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from safetensors.torch import load_file

from nas.downstream.detection.checkpoint import load_detector
from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.training import build_task, resolve_recipe, run_detection
from nas.downstream.run import SILENT, DenseWatch
from nas.models.build import build
from nas.models.checkpoint import save_checkpoint
from nas.training.state import TrainingState, read_state, write_state


class KilledError(BaseException):
    """What stands for kill -9; a real one is in tests/experiments."""


def kill_after(number):
    def after_record(records):
        if len(records) == number:
            raise KilledError

    return DenseWatch(after_record=after_record)


def run(plan, out, watch=SILENT):
    out.mkdir(exist_ok=True)
    return run_detection(plan, out, watch)


def set_detector(plan, **changes):
    return dataclasses.replace(plan, detector=dataclasses.replace(plan.detector, **changes))


@pytest.mark.parametrize("masks", [False, True])
def test_a_killed_training_ends_with_the_same_weights_and_numbers(plan, tmp_path, masks):
    plan = set_detector(plan, masks=masks)
    expected = run(plan, tmp_path / "alone")
    with pytest.raises(KilledError):
        run(plan, tmp_path / "killed", kill_after(2))
    result = run(plan, tmp_path / "killed")
    assert result["evaluation"] == expected["evaluation"]
    assert expected["evaluation"].keys() >= ({"box", "mask"} if masks else {"box"})
    for name in ("state.safetensors", "detector.safetensors"):
        ours, theirs = (load_file(tmp_path / folder / name) for folder in ("alone", "killed"))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    network, description = load_detector(tmp_path / "killed" / "detector.safetensors")
    assert dict(description.form.categories) == {3: "red", 17: "green", 90: "blue"}
    assert sum(each.numel() for each in network.parameters()) == result["num_parameters"]


def test_what_was_found_is_left_for_pycocotools_which_says_the_same(plan, tmp_path):
    plan = set_detector(plan, masks=True)
    result = run(plan, tmp_path / "out")
    truth = Path(plan.data.root) / "annotations" / "instances_val.json"
    for kind, key, name in (("bbox", "box", "found_boxes.json"), ("segm", "mask", "found_masks.json")):
        with contextlib.redirect_stdout(io.StringIO()):
            annotations = COCO(str(truth))
            evaluation = COCOeval(annotations, annotations.loadRes(str(tmp_path / "out" / name)), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        ours = [-1 if value is None else value for value in result["evaluation"][key].values()]
        assert ours == evaluation.stats[:6].tolist()


def test_the_result_says_what_was_trained(plan, tmp_path):
    fewer = dataclasses.replace(plan, data=dataclasses.replace(plan.data, num_train=3))
    result = run(fewer, tmp_path)
    assert (result["num_train"], result["num_available"]) == (3, 4)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert result["architecture"] == plan.architecture.fingerprint
    assert (result["num_categories"], result["start"], result["seed"]) == (3, None, 3)
    assert result["recipe"]["iterations"] == 6
    assert 0 < result["num_backbone_parameters"] < result["num_parameters"]


def test_other_images_seeds_or_settings_are_another_training(plan, tmp_path):
    run(plan, tmp_path)
    (tmp_path / "result.json").unlink()
    other = [
        dataclasses.replace(plan, seed=4),
        dataclasses.replace(plan, data=dataclasses.replace(plan.data, num_train=3)),
        dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, learning_rate=0.02)),
        set_detector(plan, features=17),
    ]
    for each in other:
        with pytest.raises(ValueError, match="is the checkpoint of another training"):
            run(each, tmp_path)
    moved = tmp_path / "moved"
    shutil.copytree(plan.data.root, moved)
    same = dataclasses.replace(plan, data=dataclasses.replace(plan.data, root=str(moved), cache_mib=0))
    assert run(same, tmp_path)["evaluation"]


def test_a_detector_resumes_on_another_device_and_number_of_threads(plan, tmp_path):
    plan = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, precision="float32"))
    expected = run(plan, tmp_path / "alone")
    with pytest.raises(KilledError):
        run(plan, tmp_path / "killed", kill_after(2))
    other = dataclasses.replace(plan.recipe, device="auto", num_threads=2)
    result = run(dataclasses.replace(plan, recipe=other), tmp_path / "killed")
    assert (result["recipe"]["num_threads"], result["num_iterations"]) == (2, 6)
    lines = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("alone", "killed")]
    losses = [[json.loads(line)["loss"] for line in each] for each in lines]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert result["evaluation"].keys() == expected["evaluation"].keys()


def test_a_checkpoint_of_an_earlier_version_is_resumed(plan, tmp_path):
    """Whose fingerprint held device and threads too, and was this one."""
    with pytest.raises(KilledError):
        run(plan, tmp_path, kill_after(2))
    path = tmp_path / "state.safetensors"
    state = read_state(path)
    former = {**state.values, "plan": "2fb0980663b2c907b797f7e363834174-3"}
    assert state.values["plan"] != former["plan"]
    write_state(path, TrainingState(state.tensors, former))
    with pytest.raises(ValueError, match="is the checkpoint of another training"):
        run(dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, num_threads=2)), tmp_path)
    assert run(plan, tmp_path)["num_iterations"] == 6


def test_a_length_sets_the_iterations_by_the_number_of_images(plan):
    long = dataclasses.replace(plan, length="2x")
    data = load_detection_data(plan.data, masks=False)
    assert resolve_recipe(plan, data) == plan.recipe
    assert resolve_recipe(long, data).iterations == round(2 * 90_000 * 4 / 118_287 * 8)


@pytest.fixture
def classifier(plan, tmp_path):
    """A checkpoint of the plan's backbone as a classifier with four classes."""
    spec = dataclasses.replace(plan.network, num_classes=4)
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(9)
        network = build(plan.architecture, spec)
    data = SimpleNamespace(class_names=("a", "b", "c", "d"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    save_checkpoint(tmp_path / "network.safetensors", network, data=data, accuracy=0.5)
    return tmp_path / "network.safetensors", network


def test_a_classifier_gives_its_weights_and_normalization(plan, classifier):
    path, network = classifier
    data = load_detection_data(plan.data, masks=False)
    task = build_task(dataclasses.replace(plan, start=str(path)), data)
    weights = task.network.backbone.body.network.state_dict()
    assert torch.equal(weights["stem.0.weight"], network.state_dict()["stem.0.weight"])
    assert task.network.transform.image_mean == [0.4, 0.5, 0.6]
    assert not set(task.fingerprints) & set(build_task(plan, data).fingerprints)
    frozen = dataclasses.replace(set_detector(plan, norm="frozen_bn"), start=str(path))
    assert build_task(frozen, data).network.training
    with pytest.raises(ValueError, match="needs the statistics of a trained backbone, got none"):
        build_task(dataclasses.replace(frozen, start=None), data)


def test_weights_of_another_network_are_refused(plan, classifier):
    path, _ = classifier
    data = load_detection_data(plan.data, masks=False)
    wider = dataclasses.replace(plan, start=str(path), network=dataclasses.replace(plan.network, num_filters=8))
    with pytest.raises(ValueError, match="of the network that the section network describes"):
        build_task(wider, data)
    from search_spaces.published import PUBLISHED

    with pytest.raises(ValueError, match="must hold weights of the architecture"):
        build_task(dataclasses.replace(wider, architecture=PUBLISHED["nasnet-a"]), data)


def test_strides_that_fit_no_pyramid_are_said_before_anything_is_trained(plan, tmp_path):
    with pytest.raises(ValueError, match=r"got strides 4 of the backbone's 1, 2, 4"):
        run(set_detector(plan, min_stride=4), tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
