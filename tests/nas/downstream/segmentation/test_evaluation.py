"""Measuring whole images: at their own size, with and without shifts."""

import numpy as np
import pytest
import torch
from torch import nn

from nas.downstream.recipe import DenseRecipe
from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.data import read_folder
from nas.downstream.segmentation.evaluation import (
    Look,
    confusion,
    constant_confusion,
    count_pixels,
    evaluate,
    scores,
)
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.settings import SegmentationData
from nas.downstream.segmentation.views import predict
from nas.training.parallel import Members

TRUTH = torch.tensor([[0, 0, 0, 1], [1, 1, 2, IGNORED]], dtype=torch.uint8)
PREDICTED = torch.tensor([[0, 0, 1, 1], [1, 0, 0, 3]])


class ByColour(nn.Module):
    """Says class 0 where red is strongest, 1 where blue is, 2 where green is: right but at blurred borders."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.seen = []

    def forward(self, images):
        self.seen.append(images)
        return self.weight * images[:, [0, 2, 1]]


def read(root):
    folder = read_folder(root, SegmentationData())
    recipe = DenseRecipe(scales=(20,), max_side=60)
    return folder, SegmentationImages(folder.validation.pairs, folder.classes, recipe, crop=16)


def test_scores_of_a_network_that_knows_the_colours(segmentation_folder):
    folder, images = read(segmentation_folder)
    train, tested = (folder.classes.count(split.counts) for split in (folder.train, folder.validation))
    value = evaluate(ByColour(), images, train, tested)
    assert value["mean_iou"] > 0.85
    assert value["pixel_accuracy"] > 0.9
    assert value["pixels"] == tested.tolist()
    assert value["constant"]["pixel_accuracy"] == max(tested) / sum(tested)
    assert value["constant"]["mean_iou"] == max(tested) / sum(tested) / 3


def test_images_are_measured_at_the_size_of_their_mask(segmentation_folder):
    folder, images = read(segmentation_folder)
    network = ByColour()
    counts = count_pixels(network, images)
    assert counts.sum(1).tolist() == folder.classes.count(folder.validation.counts).tolist()
    assert [tuple(each.shape) for each in network.seen] == [(1, 3, 20, 30), (1, 3, 20, 29)]
    predicted = predict(network, images.whole(0)[0], (7, 9))
    assert predicted.shape == (7, 9)
    assert not predicted.is_floating_point()


def test_a_shift_reaches_the_network(segmentation_folder):
    _, images = read(segmentation_folder)
    plain, shifted, again, other = ByColour(), ByColour(), ByColour(), ByColour()
    clean = count_pixels(plain, images)
    red = count_pixels(ByColour(), images, look=Look("add_red", 5))
    assert red.trace() < clean.trace()
    for network, seed in ((shifted, 0), (again, 0), (other, 1)):
        count_pixels(network, images, look=Look("noise", 3, seed))
    assert torch.equal(shifted.seen[1], again.seen[1])
    assert not torch.equal(shifted.seen[1], other.seen[1])
    noise = [each - before for each, before in zip(shifted.seen, plain.seen, strict=True)]
    assert not torch.equal(noise[0][..., :29], noise[1])  # each image draws its own


def test_members_measure_parts_that_add_up(segmentation_folder, monkeypatch):
    from nas.downstream.segmentation import evaluation

    _, images = read(segmentation_folder)
    whole = count_pixels(ByColour(), images)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(evaluation, "current_members", lambda rank=rank: Members(rank, 2))
        parts.append(count_pixels(ByColour(), images, look=None))
    assert torch.equal(parts[0] + parts[1], whole)
    assert not torch.equal(parts[0], whole)


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
