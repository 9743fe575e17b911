"""What a detector's images are said to be: counts, what is left out, identity."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.images import ImageStore, TrainingImages
from nas.downstream.detection.settings import DetectionData


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def edit(coco_folder):
    def call(change, split="train"):
        path = coco_folder / "annotations" / f"instances_{split}.json"
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    return call


def load(root, **settings):
    return load_detection_data(DetectionData(root=str(root), check_pictures="size", **settings), masks=False)


def test_images_and_objects_are_counted(coco_folder):
    shutil.copy(coco_folder / "train/000001.jpg", coco_folder / "train/more.jpg")
    (coco_folder / "val/.DS_Store").write_text("")
    report = load(coco_folder).report
    assert report.used == {
        "training images": 4,
        "training objects": 12,
        "evaluation images": 2,
        "evaluation objects": 6,
    }
    assert {each.reason: (each.number, each.examples) for each in report.left_out} == {
        "images that the annotations do not list": (1, ("train/more.jpg",)),
        "hidden or system files": (1, ("val/.DS_Store",)),
    }
    assert load(coco_folder, num_train=1).report.used["training images that num_train leaves out"] == 3
    assert "evaluation images" not in load(coco_folder, evaluate="train").report.used


def test_the_identity_is_of_the_files_wherever_they_are(coco_folder):
    before = load(coco_folder).report.complete
    moved = coco_folder.rename(coco_folder.with_name("elsewhere"))
    assert load(moved).report.complete == before
    Image.new("RGB", (88, 64)).save(moved / "train/000002.jpg")
    assert before.differences(load(moved).report.complete) == ["1 file changed (train/000002.jpg)"]


def test_dropped_training_objects_are_counted_and_evaluation_truth_stays(coco_folder, edit):
    for split in ("train", "val"):
        edit(lambda value: value["annotations"][0].update(bbox=[4, 11, 0, 21]), split)
    with pytest.raises(ValueError, match="annotation 1 of image 10"):
        load(coco_folder)
    data = load(coco_folder, drop_bad_objects=True)
    assert (data.train.num_objects, data.evaluation.num_objects) == (11, 6)
    assert {each.reason: each.number for each in data.report.left_out} == {
        "objects dropped by drop_bad_objects": 1,
        "empty objects evaluated but not trained on": 1,
    }
    both = load(coco_folder, drop_bad_objects=True, evaluate="train")
    assert (both.evaluation.num_objects, len(both.train.objects[10])) == (12, 4)
    (target,) = TrainingImages(both.train, ImageStore(0), flip=False, masks=False).batch(
        [type("Draw", (), {"index": 0, "seed": 0})()], torch.device("cpu")
    )[1]
    assert len(target["labels"]) == 2  # neither the crowd nor the empty object


def test_categories_that_cannot_be_learnt_and_images_without_objects_are_said(coco_folder, edit):
    edit(lambda value: value["categories"].append({"id": 99, "name": "grey"}), "train")
    edit(lambda value: value["categories"].append({"id": 99, "name": "grey"}), "val")
    edit(lambda value: value.update(annotations=[a for a in value["annotations"] if a["image_id"] != 20]))
    notices = load(coco_folder).report.notices
    assert "1 of 4 categories have no object to train on (grey)" in notices
    assert "1 of 4 images of instances_train.json have no object" in notices


def test_evaluation_images_without_objects_are_refused(coco_folder, edit):
    edit(lambda value: value.update(annotations=[]), "val")
    with pytest.raises(ValueError, match=r"instances_val.json: there must be at least one object in the images"):
        load(coco_folder)


@pytest.mark.parametrize("annotated", ["displayed", "stored"])
def test_boxes_lie_on_what_they_are_drawn_around(coco_folder, annotated):
    """The red square of image 10 is at (4, 11), 21 x 21 pixels, in the picture that the annotations are of."""
    path = coco_folder / "train/000001.jpg"
    upright = np.asarray(Image.open(path))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.rot90(upright) if annotated == "displayed" else upright
    Image.fromarray(stored).save(path, quality=100, exif=exif)
    data = load(coco_folder)
    image = data.train.images[0]
    x, y, width, height = map(int, data.train.objects[10][0].box)
    inside = ImageStore(0).image(image)[:, y + 2 : y + height - 2, x + 2 : x + width - 2]
    assert inside[0].min() > 0.7
    assert inside[1:].max() < 0.35
    assert any("as they are stored" in notice for notice in data.report.notices) == (annotated == "stored")
    assert replace(image, id=1).path == path


def test_evaluated_images_that_are_trained_on_are_counted(coco_folder):
    assert not any("identical copy" in notice for notice in load(coco_folder).report.notices)
    shutil.copy(coco_folder / "train/000001.jpg", next((coco_folder / "val").glob("*.jpg")))
    notices = load(coco_folder).report.notices
    assert any(each.startswith("1 evaluation images have an identical copy in training") for each in notices)


def test_what_is_probably_a_mistake_is_said(coco_folder, edit):
    def change(value):
        first, second = value["annotations"][:2]
        first["area"], second["ignore"] = 0, 1
        value["annotations"].append(first | {"id": 10_000, "area": 5})

    edit(change)
    for split in ("train", "val"):
        edit(lambda value: value["categories"].append({"id": 99, "name": value["categories"][0]["name"]}), split)
    report = load(coco_folder).report
    text = " ".join(report.notices)
    assert "1 objects of instances_train.json repeat the box and category of another in their image" in text
    assert "1 objects of instances_train.json have the area 0" in text
    assert "several categories of instances_train.json are named" in text
    assert {each.reason: each.number for each in report.left_out}["objects used although they are marked ignore"] == 1


def test_evaluation_images_that_are_not_evaluated_are_counted(coco_folder):
    every = load(coco_folder).report.used["evaluation images"]
    used = load(coco_folder, num_evaluated=1).report.used
    assert (used["evaluation images"], used["evaluation images that num_evaluated leaves out"]) == (1, every - 1)


def test_boxes_of_two_corners_get_a_notice_and_shares_of_the_image_are_refused(coco_folder, edit):
    def as_corners(value):
        for each in value["annotations"]:
            x, y, width, height = each["bbox"]
            each["bbox"] = [x, y, x + width + 60, y + height + 60]

    def as_shares(value):
        for each in value["annotations"]:
            each["bbox"] = [0.1, 0.2, 0.5, 0.25]

    edit(as_corners)
    assert "most boxes of instances_train.json exceed their image" in " ".join(load(coco_folder).report.notices)
    edit(as_shares)
    with pytest.raises(ValueError, match="must be in pixels, but no number of any exceeds 1"):
        load(coco_folder)
