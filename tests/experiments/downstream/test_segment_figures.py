"""Figures of segmenters: files are written, and classes are told apart."""

import torch
from PIL import Image
from torch import nn

from experiments.downstream.norm_results import NormScores, NormStudy, SeedInterval
from experiments.downstream.segment_figures import coloured, draw_curves, draw_norms, draw_pictures
from nas.downstream.recipe import DenseRecipe
from nas.downstream.segmentation.classes import IGNORED
from nas.downstream.segmentation.data import read_folder
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.settings import SegmentationData


class Right(nn.Module):
    """Says the class by the strongest colour."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, pictures):
        return self.weight * pictures[:, [0, 2, 1]]


def size(path):
    with Image.open(path) as image:
        return image.size


def test_every_class_has_a_colour_of_its_own():
    colours = coloured(torch.arange(256, dtype=torch.uint8).view(16, 16))
    assert colours.shape == (16, 16, 3)
    assert len({tuple(colour) for colour in colours.reshape(-1, 3).tolist()}) == 256
    assert colours[15, 15].tolist() == [1, 1, 1]
    assert (colours[0, 0] * 255).round().tolist() == [128, 0, 0]  # the first class of PASCAL VOC
    assert IGNORED == 255


def test_curves(tmp_path):
    constant = {"constant": {"mean_iou": 0.1, "pixel_accuracy": 0.3}}
    records = [
        {"iteration": 2, "loss": 1.0},
        {"iteration": 4, "loss": 0.5, "evaluation": {"mean_iou": 0.5, "pixel_accuracy": 0.7, **constant}},
    ]
    draw_curves(records, tmp_path / "curves.png", title="a")
    assert size(tmp_path / "curves.png") == (1680, 640)


def test_pictures_show_what_is_said(segmentation_folder, tmp_path):
    folder = read_folder(segmentation_folder, SegmentationData())
    recipe = DenseRecipe(scales=(20,), max_side=60)
    pictures = SegmentationImages(folder.validation.pairs, folder.classes, recipe, crop=16)
    draw_pictures(Right(), pictures, tmp_path / "pictures.png")
    with Image.open(tmp_path / "pictures.png") as image:
        drawn = image.convert("RGB")
    third = drawn.width // 3
    dark_red = [
        sum(count for count, colour in part.getcolors(2**24) if colour == (128, 0, 0))
        for part in (drawn.crop((place * third, 0, (place + 1) * third, drawn.height)) for place in range(3))
    ]
    assert dark_red[0] == 0
    assert min(dark_red[1:]) > 10_000


def test_norms(tmp_path):
    def scores(home, fog, **bounds):
        return {"home": SeedInterval(home, home - 0.1, home + 0.1), "fog": SeedInterval(fog, **bounds)}

    bn = NormScores("bn", scores(0.5, 0.25, low=0.2, high=0.3), {}, {})
    ibn = NormScores("ibn_a", scores(0.5, 0.3), {}, {})
    study = NormStudy(
        num_seeds=2,
        num_parameters={},
        domains=("home", "fog"),
        looks={},
        constant={name: {"mean_iou": 0.1} for name in ("home", "fog")},
        norms=(bn, ibn),
    )
    draw_norms(study, tmp_path / "norms.png")
    assert size(tmp_path / "norms.png")[0] == 1280
