"""Degenerate tasks are refused, since their scores mean nothing."""

import numpy as np
import pytest
from PIL import Image

from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.data import read_folder, read_test_split
from nas.downstream.segmentation.settings import SegmentationData
from nas.downstream.segmentation.task_checks import check_choice, check_task, describe_classes


def pixels(*values):
    counts = np.zeros(256, dtype=np.int64)
    counts[list(values)] = 10
    return counts


def write(folder, **masks):
    """Writes two images with constant or striped masks of these values for each split."""
    for split, values in masks.items():
        for index in range(2):
            mask = np.array(values, dtype=np.uint8)[np.arange(16) % len(values)][None].repeat(16, 0)
            for place, pixel in ((folder / split, np.zeros((16, 16), np.uint8)), (folder / "semantic" / split, mask)):
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixel).save(place / f"{index}.png")
    return folder


DEGENERATE = {
    "one class": ({"train": [0, 1], "val": [0, 1]}, {}, None, "must hold at least 2 classes, got 1"),
    "binary, 0 unlabelled": (
        {"train": [0, 255], "val": [0, 255]},
        {},
        None,
        "write 1 for 255 and set data.unlabelled=255",
    ),
    "binary, 255 unlabelled": (
        *({"train": [0, 255], "val": [0, 255]}, {"unlabelled": 255}, None),
        "write 1 for 255 and set data.unlabelled=255",
    ),
    "one class in training": ({"train": [1], "val": [1, 2]}, {}, None, "the training masks .* 2 classes, got 1"),
    "one class in validation": ({"train": [1, 2], "val": [2]}, {}, None, "the validation masks .* 2 classes, got 1"),
    "shifted names": (
        *({"train": [0, 1, 2], "val": [0, 1, 2]}, {}, "sky\ntree\nroad\n"),
        r"got no pixel of road \(classes.txt gives the names of the values 1..3; values that occur: 0..2\)",
    ),
    "a class that never occurs": (
        *({"train": [1, 3], "val": [1, 3]}, {}, "sky\ntree\nroad\n"),
        "got no pixel of tree .* data.most_frequent=2 leaves such classes out",
    ),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_task_without_a_choice_is_refused(tmp_path, name):
    masks, settings, names, message = DEGENERATE[name]
    folder = write(tmp_path, **masks)
    if names is not None:
        (folder / "classes.txt").write_text(names)
    with pytest.raises(ValueError, match=message):
        read_folder(folder, SegmentationData(**settings))


def test_the_advice_is_followed(tmp_path):
    write(tmp_path, train=[0, 1, 2], val=[0, 1, 2])
    (tmp_path / "classes.txt").write_text("sky\ntree\nroad\n")
    assert read_folder(tmp_path, SegmentationData(unlabelled=255)).classes.names == ("sky", "tree", "road")
    assert len(read_folder(tmp_path, SegmentationData(most_frequent=2)).classes) == 2


def test_another_folder_of_one_class_is_refused(tmp_path):
    classes = Classes((1, 2), ("a", "b"))
    with pytest.raises(ValueError, match=r"masks of val in .* 2 classes, got 1"):
        read_test_split(write(tmp_path, val=[0, 1]), SegmentationData(), classes)


def test_what_cannot_be_learnt_or_evaluated_is_said(tmp_path):
    classes = Classes((1, 2, 3), ("a", "b", "c"))
    check_task(tmp_path, classes, pixels(0, 1, 2), pixels(1, 3))
    check_choice("masks", classes, pixels(1, 3))
    assert [*describe_classes(classes, pixels(0, 1, 2), pixels(1, 3))] == [
        "1 of 3 classes have no training pixel and count with IoU 0 (c)",
        "1 of 3 classes have no validation pixel (b)",
        "33.3% of the training pixels are unlabelled and not used",
        "0.0% of the validation pixels are unlabelled and not used",
    ]
