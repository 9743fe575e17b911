"""Pascal VOC's masks: their colours and image sets."""

from nas.downstream.segmentation.voc_masks import VOC, voc_colour


def test_colours():
    """By hand: the bits of 15 are 1111, so red and green and blue have 1 in their highest bit, and red in the next."""
    assert [voc_colour(value) for value in (0, 1, 12, 15, 255)] == [
        (0, 0, 0),
        (128, 0, 0),
        (64, 0, 128),
        (192, 128, 128),
        (224, 224, 192),
    ]


def test_the_usual_sets_are_those_of_the_last_year(voc_folder):
    assert [pair.mask.parent.parent.name for pair in VOC.find(voc_folder, "train", None).pairs] == ["VOC2012"] * 2
    assert [pair.image.stem for pair in VOC.find(voc_folder, "val", ("VOC2007/test",)).pairs] == ["000001", "000002"]
