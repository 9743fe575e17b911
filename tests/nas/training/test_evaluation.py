import numpy as np
import pytest
import torch
from torch import nn

from nas.data.data_set import DataSet, Split
from nas.recipe import TrainRecipe
from nas.training import evaluation
from nas.training.evaluation import Score, accuracy, center_crop, evaluate

RECIPE = TrainRecipe(batch_size=4)


class ByPixel(nn.Module):
    """Gives class k the logit -|k - value of the pixel in the middle|: the class nearest to it is the guess."""

    def forward(self, images):
        middle = images[:, 0, images.size(2) // 2, images.size(3) // 2]
        return -(torch.arange(10.0) - middle[:, None] * 255).abs()


def make_data(labels, values):
    images = np.zeros((len(values), 1, 8, 8), np.uint8)
    images[:, 0, 4, 4] = values
    split = Split(images, np.array(labels, np.int64))
    return DataSet(split, split, lambda: split, tuple("0123456789"), (0.0,), (1.0,))


@pytest.fixture
def data():
    # right; second guess; third; out of the five
    return make_data([3, 4, 5, 9, 3, 0], [3, 3, 3, 3, 3, 0])


def test_an_image_counts_if_its_class_is_the_best_guess_or_among_five(data):
    assert evaluate(ByPixel(), data.validation, data, RECIPE) == Score(3 / 6, 5 / 6, 6)
    assert accuracy(ByPixel(), data.validation, data, RECIPE) == 3 / 6


def test_pieces_count_as_the_whole(data, monkeypatch):
    monkeypatch.setattr(evaluation, "_MAX_IMAGES", 4)
    assert evaluate(ByPixel(), data.validation, data, RECIPE) == Score(3 / 6, 5 / 6, 6)


def test_only_the_middle_is_classified_where_a_crop_is_asked_for(data):
    assert evaluate(ByPixel(), data.validation, data, RECIPE, crop=4) == Score(3 / 6, 5 / 6, 6)
    crop = center_crop(data.validation, 4)
    assert crop.images.shape == (6, 1, 4, 4)
    assert crop.images[:, 0, 2, 2].tolist() == [3, 3, 3, 3, 3, 0]
    assert center_crop(data.validation, 8) is data.validation
    with pytest.raises(ValueError, match="at most as large as the images, 8 x 8, got 9"):
        center_crop(data.validation, 9)


def test_with_few_classes_all_are_among_the_best():
    class Two(nn.Module):
        def forward(self, images):
            return torch.tensor([[0.0, 1.0]]).expand(len(images), 2)

    data = make_data([0, 1], [0, 0])
    assert evaluate(Two(), data.validation, data, RECIPE) == Score(0.5, 1.0, 2)
    assert Score(0.5, 1.0, 2).to_json() == {"top1": 0.5, "top5": 1.0, "num_images": 2}
