"""Scores against what a few pixels give by hand."""

import numpy as np
import pytest
import torch

from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.metrics import confusion, constant_confusion, scores

TRUTH = torch.tensor([[0, 0, 0, 1], [1, 1, 2, IGNORED]], dtype=torch.uint8)
PREDICTED = torch.tensor([[0, 0, 1, 1], [1, 0, 0, 3]])


def test_by_hand():
    counts = confusion(TRUTH, PREDICTED, 5)
    assert counts.tolist()[:3] == [[2, 1, 0, 0, 0], [1, 2, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert int(counts.sum()) == 7  # the unlabelled pixel counts nowhere, not even class 3 said of it
    value = scores(counts)
    assert value["iou"] == [2 / 5, 2 / 4, 0.0, None, None]
    assert value["mean_iou"] == pytest.approx((0.4 + 0.5 + 0) / 3)
    assert value["pixel_accuracy"] == pytest.approx(4 / 7)
    assert value["pixels"] == [3, 3, 1, 0, 0]


def test_a_class_that_is_only_predicted_counts_as_missed():
    value = scores(confusion(torch.tensor([0, 0, 0]), torch.tensor([0, 0, 1]), 3))
    assert value["iou"] == [2 / 3, 0.0, None]
    assert value["mean_iou"] == pytest.approx(1 / 3)


def test_a_perfect_answer():
    value = scores(confusion(TRUTH, torch.where(TRUTH == IGNORED, 0, TRUTH.long()), 3))
    assert (value["mean_iou"], value["pixel_accuracy"]) == (1.0, 1.0)


def test_images_add_up():
    parts = [confusion(TRUTH[row], PREDICTED[row], 4) for row in range(2)]
    assert torch.equal(parts[0] + parts[1], confusion(TRUTH, PREDICTED, 4))


def test_the_constant_answer_is_trainings_most_frequent_class():
    counts = constant_confusion(np.array([1, 9, 2]), np.array([6, 3, 1]))
    value = scores(counts)
    assert value["iou"] == [0.0, 0.3, 0.0]
    assert value["mean_iou"] == pytest.approx(0.1)
    assert value["pixel_accuracy"] == pytest.approx(0.3)
    absent = scores(constant_confusion(np.array([1, 9]), np.array([4, 0])))  # only said, never true
    assert (absent["iou"], absent["mean_iou"]) == ([0.0, 0.0], 0.0)


def test_nothing_to_measure_by():
    with pytest.raises(ValueError, match="at least 1 labelled pixel"):
        scores(confusion(torch.full((3,), IGNORED), torch.zeros(3), 2))
