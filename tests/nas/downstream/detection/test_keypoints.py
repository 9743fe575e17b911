"""Keypoints: reading, mirroring, training, and average precision against a value worked out by hand."""

import json
from dataclasses import replace

import pytest
import torch

from nas.downstream.backbone import Backbone
from nas.downstream.detection.annotations import AnnotatedImage
from nas.downstream.detection.checkpoint import load_detector
from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.evaluation import find_objects
from nas.downstream.detection.images import ImageStore, TrainingImages
from nas.downstream.detection.keypoints import KEYPOINTS, check_names, mirror_keypoints, num_labelled, read_keypoints
from nas.downstream.detection.metrics import average_precision
from nas.downstream.detection.networks import build_detector
from nas.downstream.detection.settings import DetectionData, DetectorSettings, ImageForm
from nas.downstream.detection.training import DETECTOR_FILE, run_detection
from nas.downstream.training import Draw
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.reference.names import ReferenceNetwork

IMAGE = AnnotatedImage(1, None, 40, 30)
LABELLED = [5, 6, 2] + 16 * [0, 0, 0]


def load(folder):
    return load_detection_data(DetectionData(root=str(folder)), masks=False, keypoints=True)


def change(folder, edit, split="train"):
    path = folder / "annotations" / f"person_keypoints_{split}.json"
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_what_is_read(keypoint_folder):
    data = load(keypoint_folder)
    first = data.train.objects[10][0]
    assert first.keypoints[:3] == (4 + 21 / 2, 12, 2)  # the nose of the square at 4, 11 of side 21
    assert num_labelled(first) == 5
    assert data.train.objects[10][-1].is_crowd
    assert data.train.objects[10][-1].keypoints == ()


def test_images_without_keypoints_are_not_trained_on(keypoint_folder):
    def unlabel(value):
        for each in value["annotations"]:
            if each["image_id"] == 20:
                each["keypoints"] = [0] * 51

    for split in ("train", "val"):
        change(keypoint_folder, unlabel, split)
    data = load(keypoint_folder)
    assert [image.id for image in data.train.images] == [10, 30, 40]
    assert [image.id for image in data.evaluation.images] == [10, 20]
    assert "1 training images without a labelled keypoint are not used" in data.report.notices
    change(keypoint_folder, lambda value: [each.update(keypoints=[0] * 51) for each in value["annotations"]])
    with pytest.raises(ValueError, match="the training images must hold a labelled keypoint, got none"):
        load(keypoint_folder)


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        (None, "its keypoints must be 51 numbers, got None"),
        ([1, 2, 2], "its keypoints must be 51 numbers"),
        (["a", *LABELLED[1:]], "its keypoints must be numbers up to 65535"),
        ([5, 6, 3, *LABELLED[3:]], "the visibility of a keypoint must be 0, 1 or 2, got 3"),
        ([50, 6, 1, *LABELLED[3:]], "its keypoints must lie within 40 x 30 pixels, got 50, 6"),
    ],
)
def test_wrong_keypoints_are_named(keypoints, message):
    with pytest.raises(ValueError, match=message):
        read_keypoints({"keypoints": keypoints}, IMAGE)


def test_other_keypoints_are_refused(keypoint_folder):
    with pytest.raises(
        ValueError, match=r"must list COCO's 17 keypoints for detector\.keypoints, got 2, the first 'a'"
    ):
        check_names(["a", "b"])
    change(keypoint_folder, lambda value: value["categories"][0].pop("keypoints"))
    with pytest.raises(ValueError, match=r"person_keypoints_train\.json, category 1: .* got none"):
        load(keypoint_folder)


def test_mirroring_exchanges_left_and_right():
    keypoints = torch.zeros(1, 17, 3)
    keypoints[0, KEYPOINTS.index("left_eye")] = torch.tensor([30.0, 4.0, 2.0])
    mirrored = mirror_keypoints(keypoints, 40)
    assert mirrored[0, KEYPOINTS.index("right_eye")].tolist() == [10.0, 4.0, 2.0]
    assert mirrored.sum() == 16
    assert torch.equal(mirror_keypoints(mirrored, 40), keypoints)


def test_images_are_mirrored_with_their_keypoints(keypoint_folder):
    images = TrainingImages(load(keypoint_folder).train, ImageStore(0), flip=True, masks=False, keypoints=True)
    batches = [images.batch([Draw(0, seed)], "cpu") for seed in range(8)]
    targets = [target for _, (target,) in batches]
    assert len({target["boxes"][0, 0].item() for target in targets}) == 2
    for target in targets:  # the right eye of a person stays at the left edge of its box
        torch.testing.assert_close(target["keypoints"][:, 2, 0], target["boxes"][:, 0])


def test_average_precision_of_true_keypoints(keypoint_folder):
    evaluation = load(keypoint_folder).evaluation
    found = [
        {"image_id": each.image, "category_id": 1, "score": 0.5, "keypoints": [*each.keypoints]}
        for some in evaluation.objects.values()
        for each in some
        if not each.is_crowd
    ]
    scores = average_precision(evaluation, found, "keypoints")
    assert (scores["ap"], scores["ap50"], scores["ap_large"]) == (pytest.approx(1), pytest.approx(1), None)
    far = [{**each, "keypoints": [value + 500 for value in each["keypoints"]]} for each in found]
    assert average_precision(evaluation, far, "keypoints")["ap"] == 0


def test_a_detector_of_keypoints_is_trained_and_comes_back(plan, keypoint_folder, tmp_path):
    plan = replace(
        plan,
        detector=replace(plan.detector, keypoints=True, min_score=0.01),
        recipe=replace(plan.recipe, iterations=2, warmup_iterations=0, cuts=(), evaluation_iterations=0),
        data=DetectionData(root=str(keypoint_folder)),
    )
    result = run_detection(plan, tmp_path)
    assert set(result["evaluation"]["keypoints"]) == {"ap", "ap50", "ap75", "ap_medium", "ap_large"}
    network, description = load_detector(tmp_path / DETECTOR_FILE)
    assert description.detector.keypoints
    assert "loss_keypoint" in json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    images = load(keypoint_folder).evaluation.images[:1]
    found = find_objects(network, images, ImageStore(0), plan.recipe, categories=(1,))
    assert {len(each["keypoints"]) for each in found} == {51}


def test_keypoints_and_masks_are_not_both_predicted():
    with pytest.raises(ValueError, match=r"detector\.masks and detector\.keypoints must not both be set"):
        DetectorSettings(masks=True, keypoints=True)


def test_torchvisions_count():
    """Of keypointrcnn_resnet50_fpn with its frozen batch norms, for persons and background."""
    with torch.device("meta"):
        body = Backbone(build(ReferenceNetwork("resnet50"), NetworkSpec(stem="imagenet")))
        network = build_detector(body, DetectorSettings(norm="frozen_bn", keypoints=True), ImageForm(((1, "person"),)))
    assert sum(each.numel() for each in network.parameters()) == 59_137_258
