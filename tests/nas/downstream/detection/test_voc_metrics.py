"""Pascal VOC's average precision against values computed by hand, another computation, and COCO's."""

from pathlib import Path

import numpy as np
import pytest

from nas.downstream.detection.annotations import AnnotatedImage, Annotation, Annotations
from nas.downstream.detection.metrics import average_precision
from nas.downstream.detection.voc_metrics import area, eleven_points, voc_average_precision

IMAGES = tuple(AnnotatedImage(number, Path(f"{number}.jpg"), 200, 200) for number in (1, 2, 3))


def truth(*objects, eleven=True):
    """Annotations of objects (image, category, box, difficult)."""
    found = {}
    for number, (image, category, box, *hard) in enumerate(objects, start=1):
        each = Annotation(
            number, image, category, box, box[2] * box[3], is_crowd=False, is_difficult=bool(hard and hard[0])
        )
        found.setdefault(image, []).append(each)
    objects = {image: tuple(each) for image, each in found.items()}
    return Annotations(Path("x"), IMAGES, objects, {1: "cat", 2: "dog"}, "", eleven_points=eleven)


def found(*rows):
    return [
        {"image_id": image, "category_id": category, "score": score, "bbox": list(box)}
        for image, category, box, score in rows
    ]


CAT, FAR = (10, 10, 40, 40), (100, 100, 40, 40)


@pytest.mark.parametrize(
    ("objects", "detections", "points", "under"),
    [
        # one of two objects, found first: precision 1 up to recall 0.5, six of eleven points
        ([(1, 1, CAT), (2, 1, CAT)], [(1, 1, CAT, 0.9)], 6 / 11, 0.5),
        # found twice: the second one is wrong; then the other object: precision 2/3 at recall 1
        (
            [(1, 1, CAT), (2, 1, CAT)],
            [(1, 1, CAT, 0.9), (1, 1, CAT, 0.8), (2, 1, CAT, 0.7)],
            (6 + 5 * 2 / 3) / 11,
            0.5 + 0.5 * 2 / 3,
        ),
        # a difficult object need not be found, and detections of it count neither way, twice or not
        ([(1, 1, CAT, True), (2, 1, CAT)], [(1, 1, CAT, 0.9), (1, 1, CAT, 0.8), (2, 1, CAT, 0.7)], 1.0, 1.0),
        ([(1, 1, CAT, True), (2, 1, CAT)], [], 0.0, 0.0),
        # only difficult objects: the category has no number, and does not enter the mean
        ([(1, 1, CAT, True)], [(1, 1, FAR, 0.9)], None, None),
        # overlap of exactly one half is enough: 40 x 20 in 40 x 40
        ([(1, 1, CAT)], [(1, 1, (10, 10, 40, 20), 0.9)], 1.0, 1.0),
        ([(1, 1, CAT)], [(1, 1, (10, 10, 40, 19), 0.9)], 0.0, 0.0),
        # a wrong one first: precision 1/2 everywhere
        ([(1, 1, CAT)], [(1, 1, FAR, 0.9), (1, 1, CAT, 0.8)], 0.5, 0.5),
        # another category, or another image, finds nothing
        ([(1, 1, CAT)], [(1, 2, CAT, 0.9), (2, 1, CAT, 0.9)], 0.0, 0.0),
        # the nearest object decides: both detections are nearest to the first one, so the second finds nothing
        ([(1, 1, CAT), (1, 1, (14, 10, 40, 40))], [(1, 1, CAT, 0.9), (1, 1, (11, 10, 40, 40), 0.8)], 6 / 11, 0.5),
    ],
)
def test_crafted_cases(objects, detections, points, under):
    scores = voc_average_precision(truth(*objects), found(*detections))
    assert scores["eleven_points"] == (None if points is None else pytest.approx(points))
    assert scores["area"] == (None if under is None else pytest.approx(under))


def test_the_year_decides_which_is_its_own():
    objects, detections = [(1, 1, CAT), (2, 1, CAT), (2, 2, FAR)], found((1, 1, CAT, 0.9))
    first = voc_average_precision(truth(*objects), detections)
    later = voc_average_precision(truth(*objects, eleven=False), detections)
    assert first["ap"] == first["eleven_points"] == pytest.approx(3 / 11)  # the mean of 6/11 and 0
    assert later["ap"] == later["area"] == 0.25
    assert later["categories"] == {"cat": 0.5, "dog": 0.0}


def test_recall_of_three_tenths_reaches_the_point():
    """0.3 is below 3 * 0.1 in floating point, which loses a point in other programs."""
    assert eleven_points(np.ones(3, dtype=bool), 10) == pytest.approx(4 / 11)


def devkit(scores, objects):  # noqa: C901 - as long as the original
    """VOCevaldet.m of the devkits, step by step, for one category; boxes are first and last pixels."""
    order = sorted(scores, key=lambda row: -row[2])
    taken, hits, misses = set(), [], []
    for image, box, _ in order:
        best, place = -np.inf, None
        for number, (of, other, _) in enumerate(objects):
            if of != image:
                continue
            left, top, right, bottom = np.maximum(box[:2], other[:2]).tolist() + np.minimum(box[2:], other[2:]).tolist()
            width, height = right - left + 1, bottom - top + 1
            if width > 0 and height > 0:
                sizes = [(each[2] - each[0] + 1) * (each[3] - each[1] + 1) for each in (box, other)]
                overlap = width * height / (sum(sizes) - width * height)
                if overlap > best:
                    best, place = overlap, number
        hit = miss = 0
        if best >= 0.5:
            if not objects[place][2]:
                hit, miss = int(place not in taken), int(place in taken)
                taken.add(place)
        else:
            miss = 1
        hits.append(hit)
        misses.append(miss)
    positive = sum(not hard for _, _, hard in objects)
    hits, misses = np.cumsum(hits), np.cumsum(misses)
    with np.errstate(invalid="ignore"):
        recall, precision = hits / positive, np.nan_to_num(hits / (hits + misses))
    points = np.mean([max(precision[hits * 10 >= t * positive], default=0) for t in range(11)])
    recall, precision = np.concatenate([[0], recall, [1]]), np.concatenate([[0], precision, [0]])
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return points, np.sum((recall[steps] - recall[steps - 1]) * precision[steps])


def drawn(seed, *, difficult):
    random = np.random.default_rng(seed)
    objects, detections = [], []
    for image in (1, 2, 3):
        for place in range(random.integers(1, 5)):
            left, top = 5 + 45 * place, int(random.integers(1, 60))
            box = np.array([left, top, left + 29, top + 29])
            objects.append((image, box, difficult and bool(random.random() < 0.3)))
            number = random.integers(0, 3)
            detections += [(image, box + random.integers(-8, 9, 4), float(random.random())) for _ in range(number)]
        detections.append((image, np.array([150, 150, 170, 170]), float(random.random())))
    return objects, detections


def continuous(box):
    left, top, right, bottom = (float(each) for each in box)
    return (left - 1, top - 1, right - left + 1, bottom - top + 1)


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_devkits_computation(seed):
    objects, detections = drawn(seed, difficult=True)
    scores = voc_average_precision(
        truth(*[(image, 1, continuous(box), hard) for image, box, hard in objects]),
        found(*[(image, 1, continuous(box), score) for image, box, score in detections]),
    )
    points, under = devkit(detections, objects)
    assert scores["eleven_points"] == pytest.approx(points)
    assert scores["area"] == pytest.approx(under)


@pytest.mark.parametrize("seed", range(6))
def test_is_cocos_ap50_up_to_the_interpolation(seed):
    """COCO averages the highest precision at 101 recalls, so the area differs by less than a hundredth."""
    objects, detections = drawn(seed, difficult=False)
    annotations = truth(*[(image, 1, continuous(box)) for image, box, _ in objects])
    given = found(*[(image, 1, continuous(box), score) for image, box, score in detections])
    assert voc_average_precision(annotations, given)["area"] == pytest.approx(
        average_precision(annotations, given, "bbox")["ap50"], abs=0.01
    )


def test_cocos_ap_ignores_difficult_objects_too():
    annotations = truth((1, 1, CAT, True), (2, 1, CAT))
    given = found((1, 1, CAT, 0.9), (2, 1, CAT, 0.7))
    assert average_precision(annotations, given, "bbox")["ap50"] == pytest.approx(1)
    assert area(np.array([True]), 1) == 1
