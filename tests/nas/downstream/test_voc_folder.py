"""Image sets of Pascal VOC's folders."""

import pytest

from nas.downstream.voc_folder import find_sets, find_years, is_eleven_points


def labels(*args):
    return [each.label for each in find_sets(*args)]


def test_years_are_found_from_every_level(voc_folder):
    for root in (voc_folder, voc_folder.parent):
        assert list(find_years(root)) == ["VOC2007", "VOC2012"]
    assert list(find_years(voc_folder / "VOC2012")) == ["VOC2012"]
    assert find_years(voc_folder / "VOC2012" / "JPEGImages") == {}


def test_usual_sets(voc_folder):
    assert labels(voc_folder, "Main", "train", None) == ["VOC2007/trainval", "VOC2012/trainval"]
    assert labels(voc_folder, "Main", "val", None) == ["VOC2007/test"]
    assert labels(voc_folder / "VOC2012", "Main", "train", None) == ["VOC2012/train"]
    assert labels(voc_folder / "VOC2012", "Main", "val", None) == ["VOC2012/val"]


def test_average_precision_of_2007_has_eleven_points(voc_folder):
    assert is_eleven_points(find_sets(voc_folder, "Main", "val", ("VOC2007/test",)))
    assert not is_eleven_points(find_sets(voc_folder, "Main", "val", ("VOC2007/test", "VOC2012/val")))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("VOC2010/train", r"must be YEAR/NAME with YEAR of VOC2007, VOC2012, got 'VOC2010/train'"),
        ("VOC2007/../x", r"must be YEAR/NAME"),
        ("VOC2012/test", r"must hold .*VOC2012.ImageSets.Main.test\.txt for the set VOC2012/test, got no such file"),
    ],
)
def test_a_wrong_set_is_refused(voc_folder, label, message):
    with pytest.raises(ValueError, match=message):
        find_sets(voc_folder, "Main", "train", (label,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name one or more images"),
        ("a\na\n", "each once"),
        ("../b\n", r"without suffix, one a line, got '../b'"),
    ],
)
def test_a_damaged_list_is_refused(voc_folder, text, message):
    (voc_folder / "VOC2012" / "ImageSets" / "Main" / "train.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        find_sets(voc_folder / "VOC2012", "Main", "train", None)
