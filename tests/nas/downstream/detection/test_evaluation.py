import json

import pytest
import torch
from torch import nn

from nas.downstream.detection import evaluation
from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.evaluation import evaluate_detector, find_objects
from nas.downstream.detection.images import ImageStore


class Oracle(nn.Module):
    """Finds what is there, by the size of the image."""

    def __init__(self, annotations, *, masks):
        super().__init__()
        self.masks = masks
        self.answers = {}
        for image in annotations.images:
            objects = [each for each in annotations.objects[image.id] if not each.is_crowd]
            self.answers[image.width] = (image, objects, annotations.labels)

    def forward(self, images):
        (image,) = images
        described, objects, labels = self.answers[image.size(-1)]
        boxes = torch.tensor([[x, y, x + width, y + height] for x, y, width, height in (each.box for each in objects)])
        answer = {
            "boxes": boxes,
            "labels": torch.tensor([labels[each.category] for each in objects]),
            "scores": torch.linspace(0.9, 0.5, len(objects)),
        }
        if self.masks:
            answer["masks"] = torch.zeros(len(objects), 1, described.height, described.width)
            for mask, (left, top, right, bottom) in zip(answer["masks"], boxes.int().tolist(), strict=True):
                mask[:, top:bottom, left:right] = 0.9
        return [answer]


@pytest.mark.parametrize("masks", [False, True])
def test_who_finds_everything_is_told_so(plan, masks):
    data = load_detection_data(plan.data, masks=True)
    network = Oracle(data.evaluation, masks=masks)
    scores = evaluate_detector(network, data.evaluation, ImageStore(1), plan.recipe, masks=masks)
    assert scores["box"]["ap"] == pytest.approx(1)
    assert ("mask" in scores) == masks
    if masks:
        assert scores["mask"]["ap"] == pytest.approx(1)
    assert (scores["num_pictures"], scores["num_found"]) == (2, 5)
    json.dumps(scores, allow_nan=False)


def test_results_are_in_pixels_and_categories_of_the_data(plan):
    data = load_detection_data(plan.data, masks=False)
    annotations, store = data.evaluation, ImageStore(1)
    network = Oracle(annotations, masks=False)
    found = find_objects(network, annotations.images, store, plan.recipe, categories=tuple(annotations.categories))
    assert found[0] == {"image_id": 10, "category_id": 3, "score": pytest.approx(0.9), "bbox": [4, 11, 21, 21]}
    assert [each["category_id"] for each in found] == [3, 17, 90, 3, 17]


def test_what_several_workers_find_is_put_together(plan, monkeypatch):
    data = load_detection_data(plan.data, masks=False)
    network = Oracle(data.evaluation, masks=False)
    store, whole = ImageStore(1), None
    texts = []
    monkeypatch.setattr(evaluation, "gather_texts", lambda text: texts.append(text) or [text])
    whole = evaluate_detector(network, data.evaluation, store, plan.recipe, masks=False)
    found = json.loads(texts[0])
    halves = [json.dumps(found[3:]), json.dumps(found[:3])]
    monkeypatch.setattr(evaluation, "gather_texts", lambda _: halves)
    assert evaluate_detector(network, data.evaluation, store, plan.recipe, masks=False) == whole
