import dataclasses
import json

import pytest

from experiments.config.study_config import StudyConfig
from experiments.study.plan import check_trainings, plan_trainings, training_folder
from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.detection.data import load_detection_data

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
ARCHITECTURE = Architecture(CELL, CELL)


@pytest.fixture
def arrange(coco_folder):
    """A configuration of a study of four pictures, and the pictures."""

    def make(**study):
        document = {
            "study": {"pretrained": "start.safetensors", "num_seeds": 2, "seed": 5, "schedules": ["1x", "2x"], **study},
            "network": {"num_filters": 4, "num_repeats": 1},
            "detector": {"norm": "gn", "channels": 8, "features": 16, "min_stride": 2},
            "recipe": {"batch_size": 2, "scales": [40], "max_side": 72},
            "data": {"root": str(coco_folder)},
        }
        config = StudyConfig.parse(document)
        return config, load_detection_data(config.data, masks=False)

    return make


def test_all_combinations_are_trained_seed_by_seed(arrange, tmp_path):
    config, data = arrange()
    trainings = plan_trainings(config, ARCHITECTURE, data)
    assert len({each.name for each in trainings}) == len(trainings) == 2 * 2 * 2 * 2
    assert [each.plan.seed for each in trainings] == [5] * 8 + [6] * 8
    first, second = trainings[:2]
    assert (first.name, first.num_iterations) == ("scratch-2x-1.0-seed-5", 49)
    assert (first.plan.start, second.plan.start) == (None, "start.safetensors")
    assert dataclasses.replace(second.plan, start=None) == first.plan
    assert training_folder(tmp_path, first) == tmp_path / "trainings" / first.name
    assert {each.num_iterations for each in trainings if each.fraction == 0.5} == {12, 24}


def test_fewer_pictures_are_part_of_more_and_the_same_for_all(arrange):
    config, data = arrange(fractions=[0.25, 0.5, 1])
    chosen = {}
    for training in plan_trainings(config, ARCHITECTURE, data):
        pictures = load_detection_data(training.plan.data, masks=False, check=False).train.images
        chosen.setdefault(training.fraction, set()).add(frozenset(each.id for each in pictures))
    assert all(len(each) == 1 for each in chosen.values())
    few, some, all_ = (next(iter(chosen[fraction])) for fraction in (0.25, 0.5, 1.0))
    assert (len(few), len(some), len(all_)) == (1, 2, 4)
    assert few < some < all_


def test_fractions_that_are_no_different_and_schedules_too_short_are_refused(arrange):
    config, data = arrange(fractions=[0.9, 1])
    with pytest.raises(ValueError, match=r"fractions 0\.9 and 1 of 4 images are both 4"):
        plan_trainings(config, ARCHITECTURE, data)
    config, data = arrange(fractions=[0.25, 1])
    config = dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, batch_size=16))
    with pytest.raises(ValueError, match="schedule 2x must have at least 3 iterations, got 2 with 1 images"):
        plan_trainings(config, ARCHITECTURE, data)


def test_what_does_not_fit_is_said_before_anything_is_trained(arrange):
    config, data = arrange(pretrained="nowhere.safetensors")
    trainings = plan_trainings(config, ARCHITECTURE, data)
    with pytest.raises(ValueError, match=r"nowhere\.safetensors"):
        check_trainings(trainings, data)


def test_a_share_without_any_object_is_said_before_anything_is_trained(arrange, coco_folder):
    config, data = arrange(fractions=[0.25, 1])
    trainings = plan_trainings(config, ARCHITECTURE, data)
    few = load_detection_data(dataclasses.replace(config.data, num_train=1), masks=False)
    path = coco_folder / "annotations" / "instances_train.json"
    document = json.loads(path.read_text())
    chosen = few.train.images[0].id
    document["annotations"] = [each for each in document["annotations"] if each["image_id"] != chosen]
    path.write_text(json.dumps(document))
    data = load_detection_data(config.data, masks=False)
    with pytest.raises(ValueError, match=r"instances_train\.json: the 1 training images must hold an object, got none"):
        check_trainings(trainings, data)
