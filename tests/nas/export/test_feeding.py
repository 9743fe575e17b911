"""What programs are given: metadata that suffices to feed them, and normalization inside of them."""

import json

import pytest
import torch
from torch import nn

from nas.export.feeding import Feeding, Normalized

FEEDING = Feeding((0.5, 0.25), (0.5, 0.125), ("a", "\u00e9"), resize=10, crop=8)


def test_metadata_are_json_by_name():
    values = {name: json.loads(text) for name, text in FEEDING.to_metadata(inside=False).items()}
    assert values == {
        "mean": [0.5, 0.25],
        "std": [0.5, 0.125],
        "class_names": ["a", "\u00e9"],
        "resize": 10,
        "crop": 8,
        "values": [0, 1],
        "normalization_inside": False,
    }


def test_a_normalized_network_takes_values_from_0_to_1():
    images = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    assert Normalized(nn.Identity(), FEEDING)(images).flatten().tolist() == [-1.0, 6.0]


@pytest.mark.parametrize(
    ("evaluation", "resize", "crop"), [({}, 8, 8), ({"resize": 12, "crop": 10}, 12, 10), ({"resize": None}, 8, 8)]
)
def test_without_an_evaluation_images_have_the_size_of_the_network(evaluation, resize, crop):
    class Spec:
        image_size = 8

    class Trained:
        mean, std, class_names = (0.5,), (0.5,), ("a", "b")
        network = type("Network", (), {"spec": Spec})

    Trained.evaluation = evaluation
    feeding = Feeding.of(Trained)
    assert (feeding.resize, feeding.crop) == (resize, crop)
