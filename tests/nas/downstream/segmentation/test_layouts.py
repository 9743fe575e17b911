"""Published data sets are read as they are downloaded: which one a folder holds, its images, classes and values."""

import shutil

import numpy as np
import pytest
from PIL import Image

from nas.downstream.recipe import DenseRecipe
from nas.downstream.segmentation.classes import IGNORED, Classes
from nas.downstream.segmentation.data import identify_test_split, read_folder, read_test_split
from nas.downstream.segmentation.images import SegmentationImages
from nas.downstream.segmentation.layouts import LAYOUTS, find_layout, match_classes
from nas.downstream.segmentation.settings import SegmentationData

FOLDERS = ("cityscapes_folder", "gta5_folder", "ade20k_folder", "voc_folder")
NUMBERS = {"cityscapes": (4, 2, 19), "gta5": (3, 1, 19), "ade20k": (3, 2, 150), "voc": (2, 2, 21)}
NAMES = {"cityscapes": ("road", "car", "sky"), "ade20k": ("wall", "building", "flag")}
NAMES |= {"gta5": NAMES["cityscapes"], "voc": ("background", "dog", "person")}


@pytest.fixture(params=LAYOUTS)
def kind(request):
    return request.param


@pytest.fixture
def root(kind, request):
    return request.getfixturevalue(f"{kind}_folder")


def read(root, **settings):
    return read_folder(root, SegmentationData(root=str(root), **settings))


def test_every_data_set_is_recognized(kind, root):
    assert find_layout(root, "auto") is LAYOUTS[kind] is find_layout(root, kind)


def test_folders_of_masks_are_not_taken_for_one(segmentation_folder, kind):
    assert find_layout(segmentation_folder, "auto") is None
    with pytest.raises(ValueError, match=f"must hold {LAYOUTS[kind].title} as it is downloaded"):
        find_layout(segmentation_folder, kind)


def test_images_and_classes(kind, root):
    folder = read(root)
    assert (len(folder.train), len(folder.validation), len(folder.classes)) == NUMBERS[kind]
    names = [folder.classes.names[number] for number in np.flatnonzero(folder.classes.count(folder.train.counts))]
    assert tuple(names) == tuple(name for name in folder.classes.names if name in NAMES[kind])
    assert len(names) == 3


def test_masks_become_class_numbers(kind, root):
    """By hand: the numbers of the papers' classes, and 255 for what is ignored."""
    folder = read(root)
    images = SegmentationImages(folder.train.pairs, folder.classes, DenseRecipe(scales=(24,)), crop=16)
    _, mask = images.whole(0)
    expected = {
        "cityscapes": {0, 13, 10, IGNORED},
        "gta5": {0, 13, 10, IGNORED},
        "ade20k": {0, 1, 149, IGNORED},
        "voc": {0, 12, 15, IGNORED},
    }
    assert set(mask.unique().tolist()) == expected[kind]


def test_ignored_pixels_are_reported(cityscapes_folder):
    notices = " ".join(read(cityscapes_folder).report.notices)
    assert "40.0% of the training pixels are unlabelled and not used" in notices
    assert "16 of 19 classes have no training pixel" in notices


def damage(folder, name, change):
    path = next(folder.rglob(name))
    with Image.open(path) as image:
        values, palette = np.array(image), image.getpalette()
    values, palette = change(values, palette)
    image = Image.fromarray(values)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def with_value(value):
    def change(values, palette):
        values[0, 0] = value
        return values, palette

    return change


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        (
            "cityscapes",
            "aachen_000001*labelIds.png",
            34,
            r"aachen_000001.*must hold values of Cityscapes, 0 to 33, got 34",
        ),
        ("gta5", "labels/00002.png", 35, r"00002\.png must hold values of GTA5, 0 to 34, got 35"),
        ("ade20k", "annotations/validation/*1.png", 151, r"must hold values of ADE20K, 0 to 150, got 151"),
        ("voc", "SegmentationClass/2008_000002.png", 21, r"must hold values of Pascal VOC, 0 to 20, 255, got 21"),
    ],
)
def test_values_outside_the_map_are_refused(root, kind, name, value, message):
    damage(root, name, with_value(value))
    with pytest.raises(ValueError, match=message) as caught:
        read(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (
            "gta5",
            "labels/00002.png",
            r"00002\.png must have the palette of GTA5, \(128, 64, 128\) for 7, got \(1, 2, 3\)",
        ),
        (
            "voc",
            "SegmentationClass/2008_000002.png",
            r"must have the palette of Pascal VOC, \(0, 0, 0\) for 0, got \(1, 2, 3\)",
        ),
    ],
)
def test_another_palette_is_refused(root, kind, name, message):
    damage(root, name, lambda values, _: (values, [1, 2, 3] * 256))
    with pytest.raises(ValueError, match=message):
        read(root)


def test_gta5_masks_of_another_size_are_left_out(gta5_folder):
    """Some are published so; Cityscapes' must fit."""
    damage(gta5_folder, "labels/00002.png", lambda values, palette: (values[:12], palette))
    folder = read(gta5_folder)
    assert [pair.image.name for pair in folder.train.pairs] == ["00001.png", "00003.png"]
    (left_out,) = folder.report.left_out
    assert str(left_out) == "1 images whose mask has another size (00002.png)"


def test_other_masks_must_have_the_size_of_their_image(ade20k_folder):
    damage(ade20k_folder, "annotations/training/*2.png", lambda values, palette: (values[:12], palette))
    with pytest.raises(ValueError, match="must be 40 x 24 pixels as its image is, got 40 x 12"):
        read(ade20k_folder)


def test_a_set_may_be_named_only_for_pascal_voc(ade20k_folder, segmentation_folder, voc_folder):
    assert len(read(voc_folder, train_sets=["VOC2007/trainval", "VOC2012/train"]).train) == 5
    for root in (ade20k_folder, segmentation_folder):
        with pytest.raises(ValueError, match=r"data\.train_sets and data\.evaluation_sets are for Pascal VOC's layout"):
            read(root, train_sets=["VOC2007/train"])


def test_the_most_frequent_classes_of_a_data_set(cityscapes_folder):
    folder = read(cityscapes_folder, most_frequent=2)
    assert (folder.classes.values, folder.classes.is_part) == ((7, 23), True)


def test_another_data_set_of_equal_classes(cityscapes_folder, gta5_folder, voc_folder):
    trained = read(cityscapes_folder)
    spec = SegmentationData(root=str(cityscapes_folder))
    split = read_test_split(gta5_folder, spec, trained.classes)
    assert (len(split), split.classes.names) == (1, trained.classes.names)
    assert identify_test_split(gta5_folder, split).files.keys() == {"images/00004.png", "labels/00004.png"}
    with pytest.raises(ValueError, match="must have the classes of training, got none named 'road'"):
        read_test_split(voc_folder, spec, trained.classes)


def test_a_folder_of_masks_may_test_what_a_data_set_has_trained(voc_folder, tmp_path):
    """The folder's classes have other values, found by their names."""
    trained = read(voc_folder)
    other = tmp_path / "other"
    names = (*trained.classes.names[::-1],)
    for split, source in (("val", "JPEGImages"), ("semantic/val", "SegmentationClass")):
        (other / split).mkdir(parents=True)
        for path in sorted((voc_folder / "VOC2012" / source).iterdir())[:1]:
            shutil.copy(path, other / split)
    (other / "classes.txt").write_text("\n".join(names))
    damage(other, "*.png", lambda values, _: (np.where(values == IGNORED, 0, 21 - values).astype(np.uint8), None))
    split = read_test_split(other, SegmentationData(root=str(voc_folder)), trained.classes)
    assert split.classes.names == trained.classes.names
    assert split.classes.values == tuple(range(21, 0, -1))


def test_classes_are_matched_by_name():
    ours = Classes((7, 8), ("road", "car"))
    theirs = Classes((1, 2), ("car", "road"), unlabelled=255)
    assert match_classes(ours, theirs, "x") == Classes((2, 1), ("road", "car"), unlabelled=255)
    with pytest.raises(ValueError, match="must have the classes of training only, got 'sky' too"):
        match_classes(ours, Classes((1, 2, 3), ("car", "road", "sky")), "x")


def left_out(folder):
    return {each.reason: each.number for each in folder.report.left_out}


def test_images_and_masks_without_the_name_of_cityscapes_are_counted(cityscapes_folder):
    images, masks = cityscapes_folder / "leftImg8bit/train/aachen", cityscapes_folder / "gtFine/train/aachen"
    shutil.copy(next(images.iterdir()), images / "more.png")
    shutil.copy(next(masks.glob("*_labelIds.png")), masks / "aachen_000009_000019_gtFine_labelIds.png")
    found = left_out(read(cityscapes_folder))
    assert found == {"images not named .._leftImg8bit.png": 1, "masks without an image": 1}


def test_masks_of_ade20k_without_an_image_are_counted(ade20k_folder):
    (ade20k_folder / "images/training/ADE_train_00000003.jpg").unlink()
    assert left_out(read(ade20k_folder)) == {"masks without an image": 1}


def test_a_list_of_gta5_names_each_image_once(gta5_folder):
    (gta5_folder / "train.txt").write_text("00001.png\r\n00001.png\r\n")
    with pytest.raises(ValueError, match=r"must name each image once, got 00001.png more than once"):
        read(gta5_folder)


def test_validation_images_that_are_trained_on_are_counted(gta5_folder):
    (gta5_folder / "train.txt").write_text("00001.png\n00002.png\n00004.png\n")
    (gta5_folder / "val.txt").write_text("00004.png\n00003.png\n")
    Image.new("RGB", (40, 24)).save(gta5_folder / "images/00003.png")
    notices = read(gta5_folder).report.notices
    assert any(each.startswith("1 validation images have an identical copy in training") for each in notices)
