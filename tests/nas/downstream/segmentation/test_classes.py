"""Which values of a mask are classes, and what they are called."""

import json

import numpy as np
import pytest

from nas.downstream.segmentation.classes import IGNORED, Classes, check_same_names, choose_classes, listed_classes
from nas.downstream.segmentation.settings import SegmentationData


def pixels(**by_value):
    counts = np.zeros(256, dtype=np.int64)
    for value, number in by_value.items():
        counts[int(value[1:])] = number
    return counts


TRAIN, VALIDATION = pixels(v0=50, v1=10, v3=40, v7=5), pixels(v1=3, v9=2)


def test_values_that_occur_anywhere_are_classes(tmp_path):
    classes = choose_classes(tmp_path, SegmentationData(), TRAIN, VALIDATION)
    assert classes == Classes((1, 3, 7, 9), ("1", "3", "7", "9"), 0)
    table = classes.table
    assert [table[value] for value in (0, 1, 2, 3, 7, 9, 255)] == [IGNORED, 0, IGNORED, 1, 2, 3, IGNORED]
    assert classes.count(TRAIN).tolist() == [10, 40, 5, 0]
    assert classes.unknown(pixels(v0=1, v1=1, v200=4, v255=1)) == [200, 255]


def test_with_the_convention_of_voc_0_is_a_class_and_255_none(tmp_path):
    classes = choose_classes(tmp_path, SegmentationData(unlabelled=255), pixels(v0=5, v1=1, v255=9), pixels(v0=1))
    assert classes.values == (0, 1)
    assert classes.table[[0, 1, 255]].tolist() == [0, 1, IGNORED]


def test_the_most_frequent_in_training_in_the_order_of_their_values(tmp_path):
    classes = choose_classes(tmp_path, SegmentationData(most_frequent=2), TRAIN, VALIDATION)
    assert classes == Classes((1, 3), ("1", "3"), 0, is_part=True)
    assert classes.unknown(pixels(v200=1)) == []  # counts as unlabelled
    assert classes.table[7] == IGNORED
    with pytest.raises(ValueError, match="must hold most_frequent = 4 classes, got 3"):
        choose_classes(tmp_path, SegmentationData(most_frequent=4), TRAIN, VALIDATION)


def test_names_of_a_list(tmp_path):
    (tmp_path / "classes.txt").write_text("sky\n tree \nroad\n")
    assert listed_classes(tmp_path, SegmentationData()) == Classes((1, 2, 3), ("sky", "tree", "road"), 0)
    assert listed_classes(tmp_path, SegmentationData(unlabelled=255)).values == (0, 1, 2)
    chosen = choose_classes(tmp_path, SegmentationData(), TRAIN, VALIDATION)
    assert chosen.names == ("sky", "tree", "road")
    assert chosen.unknown(TRAIN) == [7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sky\nsky\n", "must name each class once, got 'sky'"),
        (b"\xff\xfe\xff", "cannot be read"),
        (b"sky\n", "at least 2 classes, got 1"),
        (b"\n".join(str(number).encode() for number in range(256)), "at most 255 classes, got 256"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, content, message):
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        choose_classes(tmp_path, SegmentationData(), TRAIN, VALIDATION)


def test_names_of_cocos_categories(tmp_path):
    (tmp_path / "annotations").mkdir()
    categories = [{"id": 3, "name": "car"}, {"id": 12, "name": "stop sign"}]
    (tmp_path / "annotations" / "small.json").write_text(json.dumps({"categories": categories}))
    (tmp_path / "annotations" / "large.json").write_text("[" + "0," * 5000 + "0]")
    assert choose_classes(tmp_path, SegmentationData(), TRAIN, VALIDATION).names == ("1", "car", "7", "9")
    (tmp_path / "annotations" / "small.json").write_text('{"categories": [{"id": "x"}]}')
    with pytest.raises(ValueError, match=r"small\.json must list categories with id and name"):
        choose_classes(tmp_path, SegmentationData(), TRAIN, VALIDATION)


def test_too_many_or_too_few_values(tmp_path):
    with pytest.raises(ValueError, match="must hold at least 2 classes, got 1"):
        choose_classes(tmp_path, SegmentationData(), pixels(v0=5, v2=1), pixels(v2=1))
    everything = np.ones(256, dtype=np.int64)
    assert len(choose_classes(tmp_path, SegmentationData(), everything, everything)) == 255


def test_another_folder_must_mean_the_same(tmp_path):
    ours = Classes((1, 3), ("sky", "road"), is_part=True)
    check_same_names(ours, tmp_path, SegmentationData())  # it lists nothing
    (tmp_path / "classes.txt").write_text("sky\ntree\nroad\n")
    check_same_names(ours, tmp_path, SegmentationData())
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    with pytest.raises(ValueError, match="must name value 3 'road', got 'nothing'"):
        check_same_names(ours, tmp_path, SegmentationData())


def test_an_empty_line_would_shift_the_names_behind_it(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes(b"\xef\xbb\xbfroad\r\ncar\r\n\r\n")
    assert listed_classes(tmp_path, SegmentationData()).names == ("road", "car")
    path.write_text("road\n\ncar\n")
    with pytest.raises(ValueError, match="a class in each line, got nothing in line 2"):
        listed_classes(tmp_path, SegmentationData())
