"""Our numbers against pycocotools called as its own demonstration calls it, with files."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from nas.downstream.detection.annotation_file import Reading, read_annotations
from nas.downstream.detection.metrics import NAMES, average_precision

SIDE = 300
CATEGORIES = [{"id": 3, "name": "a"}, {"id": 44, "name": "b"}, {"id": 90, "name": "nowhere"}]


def square(x, y, side):
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def entry(number, image, category, box, *, crowd=0):
    x, y, side, _ = box
    mask = [square(x, y, side)]
    if crowd:
        counts = [x * SIDE, side * SIDE, (SIDE - x - side) * SIDE]
        mask = {"size": [SIDE, SIDE], "counts": counts}
    common = {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": side**2 * 0.9}
    return {**common, "iscrowd": crowd, "segmentation": mask}


def truth_of(random, *, crowds=True):
    """Objects of all sizes in images 0 to 3, none in 4."""
    entries = []
    for image in range(4):
        for _ in range(random.integers(1, 6)):
            side = int(random.choice([12, 60, 140]))
            x, y = (int(each) for each in random.integers(0, SIDE - side, 2))
            box, category = [x, y, side, side], int(random.choice([3, 44]))
            crowd = int(crowds and random.random() < 0.25)
            entries.append(entry(len(entries) + 1, image, category, box, crowd=crowd))
    return entries


def found_of(random, entries):
    """Some of the objects, shifted or not, some twice, and some that are not there."""
    found = []
    for each in entries:
        for _ in range(random.integers(0, 3)):
            x, y, side, _ = each["bbox"]
            x, y = (int(np.clip(value + random.integers(-4, 5), 0, SIDE - side)) for value in (x, y))
            category = each["category_id"] if random.random() < 0.8 else 90
            found.append((each["image_id"], category, [x, y, side, side], float(random.random())))
    wrong = [(int(random.integers(0, 5)), 3, [5, 5, 30, 30], float(random.random())) for _ in range(5)]
    return found + wrong


def direct(path, found, kind):
    """As pycocotools wants it: results as a list of dictionaries, masks of their own kind."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        results = [
            {"image_id": image, "category_id": category, "score": score}
            | ({"bbox": box} if kind == "bbox" else {"segmentation": rle(box)})
            for image, category, box, score in found
        ]
        if results:
            given = truth.loadRes(results)
        else:
            given = COCO()
            given.dataset = {**truth.dataset, "annotations": []}
            given.createIndex()
        evaluation = COCOeval(truth, given, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:6]


def rle(box):
    from pycocotools import mask

    (one,) = mask.frPyObjects([square(box[0], box[1], box[2])], SIDE, SIDE)
    return one


@pytest.fixture
def compare(tmp_path):
    def call(entries, found, kind):
        path = tmp_path / "instances.json"
        images = [{"id": image, "file_name": f"{image}.jpg", "width": SIDE, "height": SIDE} for image in range(5)]
        path.write_text(json.dumps({"images": images, "annotations": entries, "categories": CATEGORIES}))
        annotations = read_annotations(path, Reading(tmp_path, need_masks=kind == "segm"), lambda *_: None)
        ours = average_precision(
            annotations,
            [
                {"image_id": image, "category_id": category, "bbox": box, "score": score}
                if kind == "bbox"
                else {"image_id": image, "category_id": category, "score": score, "segmentation": rle(box)}
                for image, category, box, score in found
            ],
            kind,
        )
        expected = direct(path, found, kind)
        assert list(ours) == list(NAMES)
        assert [-1 if number is None else number for number in ours.values()] == expected.tolist()
        return ours

    return call


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(6))
def test_random_objects_with_crowds_and_what_is_found_of_them(compare, kind, seed):
    random = np.random.default_rng(seed)
    entries = truth_of(random)
    numbers = compare(entries, found_of(random, entries), kind)
    assert 0 < numbers["ap"] < 1


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_what_is_all_right_is_1(compare, kind):
    entries = truth_of(np.random.default_rng(0), crowds=False)
    found = [(each["image_id"], each["category_id"], each["bbox"], 0.9) for each in entries]
    assert compare(entries, found, kind)["ap"] == pytest.approx(1)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_nothing_found_is_0_and_nothing_there_is_none(compare, kind):
    one = [entry(1, 0, 3, [10, 10, 20, 20])]
    nothing = compare(one, [], kind)
    assert (nothing["ap"], nothing["ap_small"], nothing["ap_large"]) == (0, 0, None)
    assert set(compare([], [(0, 3, [5, 5, 30, 30], 0.5)], kind).values()) == {None}
    assert set(compare([], [], kind).values()) == {None}


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_duplicates_crowds_and_classes_without_objects(compare, kind):
    there = [entry(1, 0, 3, [10, 10, 80, 80]), entry(2, 1, 44, [0, 0, 200, 200], crowd=1)]
    right, twice = (0, 3, [10, 10, 80, 80], 0.9), (0, 3, [10, 10, 80, 80], 0.8)
    in_crowd, nowhere = (1, 44, [20, 20, 100, 100], 0.99), (2, 90, [20, 20, 100, 100], 0.99)
    assert compare(there, [right], kind)["ap"] == pytest.approx(1)
    assert compare(there, [right, in_crowd, nowhere], kind)["ap"] == pytest.approx(1)  # they count neither way
    assert compare(there, [twice, right], kind)["ap"] == pytest.approx(1)
    assert compare(there, [(0, 3, [100, 100, 80, 80], 0.95), right], kind)["ap"] < 1


def test_objects_without_masks_cannot_be_compared_by_masks(tmp_path):
    path = tmp_path / "instances.json"
    images = [{"id": 0, "file_name": "0.jpg", "width": SIDE, "height": SIDE}]
    entries = [entry(1, 0, 3, [10, 10, 20, 20])]
    path.write_text(json.dumps({"images": images, "annotations": entries, "categories": CATEGORIES}))
    annotations = read_annotations(path, Reading(tmp_path), lambda *_: None)
    with pytest.raises(ValueError, match="annotation 1 must have a mask, got none"):
        average_precision(annotations, [], "segm")


def test_nothing_is_printed_and_a_missing_library_is_named(compare, capsys, monkeypatch):
    import sys

    entries = [entry(1, 0, 3, [10, 10, 20, 20])]
    compare(entries, [], "bbox")
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(RuntimeError, match="needs the package pycocotools"):
        compare(entries, [], "bbox")
