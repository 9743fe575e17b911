"""Which images are found and chosen, and what is refused before anything is trained."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import pytest
from PIL import Image

from nas.downstream.detection.data import choose_images, load_detection_data
from nas.downstream.detection.settings import DetectionData


@pytest.fixture
def load(coco_folder):
    def call(*, masks=False, check=True, **settings):
        return load_detection_data(DetectionData(**{"root": str(coco_folder), **settings}), masks=masks, check=check)

    return call


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_both_splits_are_read_and_checked(load):
    data = load(masks=True)
    assert (len(data.train.images), len(data.evaluation.images), data.num_available) == (4, 2, 4)
    assert data.train.labels == data.evaluation.labels
    assert load().fingerprint == load().fingerprint != load(num_train=2).fingerprint


def test_cocos_own_names_are_found(load, coco_folder):
    (coco_folder / "train").rename(coco_folder / "train2017")
    names = coco_folder / "annotations"
    (names / "instances_train.json").rename(names / "instances_train2017.json")
    assert len(load().train.images) == 4


def test_fewer_images_are_a_part_of_more(load):
    chosen = [{each.id for each in load(num_train=number).train.images} for number in (1, 2, 3, 4)]
    assert [len(each) for each in chosen] == [1, 2, 3, 4]
    assert all(fewer < more for fewer, more in pairwise(chosen))
    others = [load(num_train=2, subset_seed=seed).train for seed in range(8)]
    assert len({tuple(each.id for each in other.images) for other in others}) > 1
    assert all(set(other.objects) <= {each.id for each in other.images} for other in others)


def test_what_is_learnt_by_heart_is_measured_on_the_training_images(load):
    data = load(num_train=3, evaluate="train")
    assert data.evaluation == data.train
    assert len(load(num_train=3, evaluate="train", num_evaluated=1).evaluation.images) == 1
    assert choose_images(data.train, 99, seed=0) is data.train


def test_the_folder_must_be_there_with_all_its_parts(load, coco_folder, tmp_path):
    with pytest.raises(ValueError, match="the folder of the images must be named with --data"):
        load_detection_data(DetectionData(), masks=False)
    with pytest.raises(ValueError, match="there is no folder"):
        load(root=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"must hold annotations/instances_train.json, or instances_train2017.json"):
        load(root=str(tmp_path))
    shutil.rmtree(coco_folder / "val")
    with pytest.raises(ValueError, match=r"must hold the images of instances_val.json in val or val2017, got neither"):
        load()
    assert len(load(evaluate="train").train.images) == 4


@pytest.mark.parametrize("check", ["decode", "size"])
def test_missing_foreign_and_resized_images_are_named(load, coco_folder, check):
    path = coco_folder / "train" / "000002.jpg"
    content = path.read_bytes()
    place = r"instances_train.json, image 20: "
    path.unlink()
    with pytest.raises(ValueError, match=place + r"there is no file .*000002.jpg"):
        load(check_pictures=check)
    path.write_text("no image")
    with pytest.raises(ValueError, match=place + r".*000002.jpg cannot be decoded"):
        load(check_pictures=check)
    Image.new("RGB", (88, 60)).save(path)
    with pytest.raises(ValueError, match=place + r".* must have 88 x 64 pixels as the annotations say, got 88 x 60"):
        load(check_pictures=check)
    path.write_bytes(content)
    assert load(check_pictures=check)


def test_images_that_break_off_are_found_if_they_are_decoded(load, coco_folder):
    path = coco_folder / "val" / "000001.jpg"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match=r"instances_val.json, image 10: .*000001.jpg is not an image that can be"):
        load()
    assert load(check_pictures="size")
    assert load(check=False)


def test_other_numbers_than_there_are_and_splits_of_other_categories_are_refused(load, coco_folder):
    with pytest.raises(ValueError, match=r"data.num_train must be at most 4, the number of training images, got 5"):
        load(num_train=5)
    edit(coco_folder / "annotations" / "instances_val.json", lambda value: value["categories"][1].update(name="teal"))
    with pytest.raises(
        ValueError, match=r"must have the categories of instances_train.json: category 17 must be green, got teal"
    ):
        load()


def test_images_without_any_object_cannot_be_trained_on(load, coco_folder):
    def change(value):
        value["annotations"] = [each for each in value["annotations"] if each["iscrowd"]]

    edit(coco_folder / "annotations" / "instances_train.json", change)
    with pytest.raises(ValueError, match=r"instances_train.json: the 4 training images must hold an object, got none"):
        load()


def test_a_few_images_to_evaluate_hold_an_object(load, coco_folder):
    path = coco_folder / "annotations" / "instances_val.json"
    value = json.loads(path.read_text())
    for kept in value["images"]:
        few = [each for each in value["annotations"] if each["image_id"] == kept["id"]]
        path.write_text(json.dumps({**value, "annotations": few}))
        if few:
            measured = load(num_evaluated=1).evaluation
            assert [each.id for each in measured.images] == [kept["id"]]
            assert len(measured.objects[kept["id"]]) == len(few)


def test_masks_are_demanded_only_where_they_are_wanted(load, coco_folder):
    path = coco_folder / "annotations" / "instances_val.json"
    edit(path, lambda value: value["annotations"][2].pop("segmentation"))
    assert load()
    with pytest.raises(ValueError, match=r"instances_val.json, annotation 3 .*: it must have a mask \(segmentation\)"):
        load(masks=True)


def test_real_images_are_valid(real_data):
    data = load_detection_data(DetectionData(root=str(real_data / "coco100"), check_pictures="size"), masks=True)
    assert (len(data.train.images), len(data.evaluation.images)) == (100, 50)
    assert len(data.train.categories) == 80
    assert max(data.train.categories) == 90
    assert replace(data.train, images=()).categories[44] == "bottle"
