"""ADE20K: its names, and where its files are."""

import shutil

import pytest

from nas.downstream.segmentation.ade20k import ADE20K


def test_there_are_150_different_classes():
    names = ADE20K.classes.names
    assert (len(names), len({*names})) == (150, 150)
    assert [names[value - 1] for value in (1, 13, 75, 150)] == ["wall", "person", "computer", "flag"]


def test_the_folder_itself_or_the_one_that_holds_it(ade20k_folder):
    for root in (ade20k_folder, ade20k_folder.parent):
        assert ADE20K.is_at(root)
        assert [pair.mask.name for pair in ADE20K.find(root, "val", None).pairs] == [
            "ADE_val_00000001.png",
            "ADE_val_00000002.png",
        ]
    shutil.rmtree(ade20k_folder / "annotations" / "validation")
    with pytest.raises(ValueError, match=r"there must be a folder .*images.validation of images"):
        ADE20K.find(ade20k_folder, "val", None)
