"""Predictions of several sizes, mirrored and not, are averaged as probabilities."""

import pytest
import torch
from torch import nn

from nas.downstream.segmentation.views import SINGLE, Views, predict


class Lamp(nn.Module):
    """Says class 1 at the left edge of what it sees, surely in images of width 8, weakly in others."""

    def __init__(self):
        super().__init__()
        self.widths = []

    def forward(self, images):
        self.widths.append(images.shape[-1])
        logits = torch.zeros(len(images), 2, *images.shape[2:])
        logits[:, 0] = 1.0
        logits[:, 1, :, : images.shape[-1] // 4] = 9.0 if images.shape[-1] == 8 else 1.5
        return logits


IMAGE = torch.zeros(3, 8, 8, dtype=torch.uint8)


def rows(views):
    return predict(Lamp(), IMAGE, (8, 8), views)[4].tolist()


def test_the_image_alone():
    assert rows(SINGLE) == [1, 1, 0, 0, 0, 0, 0, 0]


def test_a_mirrored_image_is_mirrored_back():
    """Both edges: the sure one beats the mean of the others, by exp(8) against exp(1)."""
    assert rows(Views(flip=True)) == [1, 1, 0, 0, 0, 0, 1, 1]


def test_probabilities_are_averaged_over_sizes():
    network = Lamp()
    predicted = predict(network, IMAGE, (8, 8), Views((0.5, 1.0, 2.0)))
    assert network.widths == [4, 8, 16]
    assert predicted[4].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_probabilities_not_logits_are_averaged():
    """One view says 0 with logit 100, two say 1 with probability 0.9: the mean of probabilities says 1."""

    class Three(nn.Module):
        def forward(self, images):
            logits = torch.zeros(1, 2, *images.shape[2:])
            logits[:, 0 if images.shape[-1] == 8 else 1] = 100.0 if images.shape[-1] == 8 else 2.2
            return logits

    assert predict(Three(), IMAGE, (8, 8), Views((0.5, 1.0, 2.0))).unique().tolist() == [1]


@pytest.mark.parametrize(("views", "json"), [(SINGLE, None), (Views((1.0,), True), {"scales": [1.0], "flip": True})])
def test_as_plain_data(views, json):
    assert views.to_json() == json
    assert views.is_single == (json is None)
