"""Cityscapes and GTA5: their files, and what is said where they are missing."""

import shutil

import pytest
from scipy.io import savemat

from nas.downstream.segmentation.street_scenes import CITYSCAPES, GTA5, TRAIN_IDS


def test_train_ids_are_those_of_cityscapes():
    """Values of labels.py of cityscapesScripts, checked by hand: the first, some of the middle, the last."""
    ids = list(TRAIN_IDS)
    assert len(ids) == 19
    assert [ids[number] for number in (0, 5, 10, 15, 16, 18)] == [7, 17, 23, 28, 31, 33]
    assert CITYSCAPES.classes.names == GTA5.classes.names
    assert CITYSCAPES.classes.names[11:14] == ("person", "rider", "car")


def test_only_label_ids_are_read(cityscapes_folder):
    found = CITYSCAPES.find(cityscapes_folder, "train", None)
    assert [pair.mask.name for pair in found.pairs][:2] == [
        "aachen_000000_000019_gtFine_labelIds.png",
        "aachen_000001_000019_gtFine_labelIds.png",
    ]
    shutil.rmtree(cityscapes_folder / "gtFine" / "val")
    with pytest.raises(
        ValueError, match=r"there must be a folder .*leftImg8bit.val of images and a folder .*gtFine.val"
    ):
        CITYSCAPES.find(cityscapes_folder, "val", None)


def names(folder, split):
    return [pair.image.stem for pair in GTA5.find(folder, split, None).pairs]


def test_gta5_is_split_by_its_authors(gta5_folder):
    assert (names(gta5_folder, "train"), names(gta5_folder, "val")) == (["00001", "00002", "00003"], ["00004"])


def test_gta5_is_split_by_lists(gta5_folder):
    (gta5_folder / "train.txt").write_text("00005.png\n00002\n")
    assert names(gta5_folder, "train") == ["00005", "00002"]


def test_parts_of_gta5_that_are_missing_are_reported(gta5_folder):
    (gta5_folder / "images" / "00002.png").unlink()
    found = GTA5.find(gta5_folder, "train", None)
    assert [str(each) for each in found.left_out] == ["1 images of train without a file (00002.png)"]


def test_gta5_needs_a_split(gta5_folder):
    savemat(gta5_folder / "split.mat", {"other": [1]})
    with pytest.raises(ValueError, match=r"split\.mat must hold the array trainIds"):
        GTA5.find(gta5_folder, "train", None)
    (gta5_folder / "split.mat").unlink()
    with pytest.raises(
        ValueError, match=r"must hold split\.mat of GTA5, or train\.txt with a name a line, got neither"
    ):
        GTA5.find(gta5_folder, "train", None)
