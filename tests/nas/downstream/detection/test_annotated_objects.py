"""Objects of annotation files: what is corrected, dropped, and kept as evaluation truth."""

from pathlib import Path

import pytest

from nas.downstream.detection.annotated_objects import ObjectReader, Reading
from nas.downstream.detection.annotations import AnnotatedImage

IMAGES = {1: AnnotatedImage(1, Path("a.jpg"), 84, 64)}


def entry(number, box, **more):
    return {"id": number, "image_id": 1, "category_id": 3, "bbox": box, **more}


def read(*entries, **reading):
    reader = ObjectReader(Path("x.json"), IMAGES, {3: "red"}, Reading(Path(), **reading))
    objects = reader.read(entries).get(1, ())
    return objects, {each.reason: each.number for each in reader.left_out}


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([70, 11, 21, 21], (70, 11, 14, 21)),
        ([-5, -6, 21, 21], (0, 0, 16, 15)),
        ([-5, -6, 200, 100], (0, 0, 84, 64)),
        ([63.4, 11, 21, 21], (63.4, 11, 21, 21)),
    ],
)
def test_boxes_over_the_edge_are_clipped_and_counted(box, expected):
    (found,), counts = read(entry(1, box))
    assert found.box == expected
    assert found.area == expected[2] * expected[3]
    assert counts == ({} if tuple(box) == expected else {"boxes clipped to their image": 1})


def test_masks_over_the_edge_are_clipped_and_counted():
    polygon = [[80, 10, 88, 10, 88, 20, 80, 20]]
    (found,), counts = read(entry(1, [80, 10, 4, 10], segmentation=polygon), need_masks=True)
    assert found.mask is not None
    assert counts == {"masks clipped to their image": 1}


def test_evaluation_truth_is_never_dropped():
    """An empty box stays as truth that no detection matches, as in COCO's own evaluation; the rest is an error."""
    boxes = [[4, 11, 0, 21], [300, 11, 5, 5], [4, 11, 5, 5]]
    entries = [entry(number, box) for number, box in enumerate(boxes)]
    trained, counts = read(*entries, drop_bad_objects=True)
    assert [each.id for each in trained] == [2]
    assert counts == {"objects dropped by drop_bad_objects": 2}
    truth, counts = read(*entries, drop_bad_objects=True, is_truth=True)
    assert [(each.id, each.is_trained) for each in truth] == [(0, False), (1, False), (2, True)]
    assert counts == {"empty objects evaluated but not trained on": 2}
    for bad in (entry(1, [4, 11, -5, 5]), entry(1, "box"), entry(1, [4, 11, 5, 5])):
        with pytest.raises(ValueError, match=r"\(drop_bad_objects drops no evaluation truth\)"):
            read(bad, drop_bad_objects=True, is_truth=True, need_masks=True)


def test_a_stated_area_of_0_is_kept():
    assert read(entry(1, [4, 11, 5, 5], area=0))[0][0].area == 0
