"""Annotation files: what is read of them, and that whatever is wrong is said in one line with the file and the id."""

import json

import pytest

from nas.downstream.detection.annotation_file import Reading, read_annotations


@pytest.fixture
def read(coco_folder):
    """Reads the training annotations after a change of what the file holds."""

    def call(change=lambda value: None, **reading):
        path = coco_folder / "annotations" / "instances_train.json"
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))
        return read_annotations(path, Reading(coco_folder / "train", **reading), lambda *_: None)

    return call


def test_all_is_read(read, coco_folder):
    annotations = read(need_masks=True)
    assert [image.id for image in annotations.images] == [10, 20, 30, 40]
    first = annotations.images[0]
    assert (first.path, first.width, first.height) == (coco_folder / "train" / "000001.jpg", 84, 64)
    assert annotations.categories == {3: "red", 17: "green", 90: "blue"}
    assert annotations.labels == {3: 1, 17: 2, 90: 3}
    assert [len(objects) for objects in annotations.objects.values()] == [4, 2, 3, 3]
    assert [each.is_crowd for each in annotations.objects[10]] == [False, False, False, True]
    red = annotations.objects[10][0]
    assert (red.id, red.category, red.box, red.area) == (1, 3, (4, 11, 21, 21), 441)
    assert all(each.mask for objects in annotations.objects.values() for each in objects)


def test_masks_are_kept_only_if_they_are_needed(read):
    assert all(each.mask is None for objects in read().objects.values() for each in objects)


def test_area_crowd_and_mask_may_be_missing(read):
    def change(value):
        for key in ("area", "iscrowd", "segmentation"):
            del value["annotations"][0][key]

    first = read(change).objects[10][0]
    assert (first.area, first.is_crowd) == (441, False)
    with pytest.raises(ValueError, match=r"annotation 1 of image 10 \(000001.jpg\): it must have a mask"):
        read(need_masks=True)


def test_the_digest_is_of_the_contents(read):
    assert read().digest == read().digest != read(lambda value: value["annotations"].pop()).digest


def put(key, place, name, value):
    def change(whole):
        whole[key][place][name] = value

    return change


def without(key, place, name):
    def change(whole):
        del whole[key][place][name]

    return change


BAD = {
    "image of no entry": (
        put("annotations", 0, "image_id", 7),
        "annotation 1 must be of a listed image, got image_id 7",
    ),
    "category of no entry": (
        put("annotations", 2, "category_id", 4),
        "annotation 3 must be of a listed category, got category_id 4",
    ),
    "file twice": (
        put("images", 1, "file_name", "000001.jpg"),
        "images must have unique files, got '000001.jpg' twice",
    ),
    "image twice": (put("images", 1, "id", 10), "images must have unique ids, got 10 twice"),
    "category twice": (put("categories", 1, "id", 3), "categories must have unique ids, got 3 twice"),
    "box outside": (
        put("annotations", 0, "bbox", [200, 11, 21, 21]),
        r"annotation 1 of image 10 \(000001.jpg\): its box, x, y, width, height, must have a part within the 84 x 64",
    ),
    "box on the edge": (put("annotations", 0, "bbox", [84, 11, 0.5, 21]), "must have a part within the 84 x 64"),
    "box of no width": (
        put("annotations", 0, "bbox", [4, 11, 0, 21]),
        "must have a width and a height of at least 0.01 pixels",
    ),
    "box of next to no width": (
        put("annotations", 0, "bbox", [4, 11, 1e-9, 21]),
        "a width and a height of at least 0.01",
    ),
    "box of negative height": (put("annotations", 0, "bbox", [4, 11, 5, -2]), "a width and a height of at least 0.01"),
    "box of three": (
        put("annotations", 0, "bbox", [4, 11, 5]),
        r"annotation 1 of image 10 .*: bbox\.3: Field required",
    ),
    "box of texts": (
        put("annotations", 0, "bbox", ["4", 1, 5, 2]),
        r"bbox\.0: Input should be a valid number, got '4'",
    ),
    "box of truths": (
        put("annotations", 0, "bbox", [True, 1, 5, 2]),
        r"bbox\.0: Input should be a valid number, got True",
    ),
    "huge box": (put("annotations", 0, "bbox", [1, 1, 10**400, 2]), r"bbox\.2: Input should be .*, got 10"),
    "no box": (without("annotations", 0, "bbox"), "bbox: Field required"),
    "mask of another size": (
        put("annotations", 0, "segmentation", {"size": [84, 64], "counts": [84 * 64]}),
        r"annotation 1 of image 10 .*: its mask must have the size \[64, 84\] of the image, got \[84, 64\]",
    ),
    "mask outside": (
        put("annotations", 0, "segmentation", [[90, 1, 99, 1, 95, 5]]),
        "must have a part within 84 x 64 pixels",
    ),
    "mask of a line": (put("annotations", 0, "segmentation", [[1, 1, 5, 5]]), "three or more pairs x, y"),
    "odd crowd": (put("annotations", 0, "iscrowd", 2), "iscrowd: Input should be less than or equal to 1, got 2"),
    "area of text": (put("annotations", 0, "area", "12"), "area: Input should be a valid number, got '12'"),
    "id of text": (put("images", 2, "id", "10"), r"images\.2\.id: Input should be a valid integer, got '10'"),
    "no image id": (without("annotations", 3, "image_id"), r"annotations\.3\.image_id: Field required"),
    "no name": (without("categories", 0, "name"), r"categories\.0\.name: Field required"),
    "no file": (without("images", 0, "file_name"), r"images\.0\.file_name: Field required"),
    "file elsewhere": (
        put("images", 0, "file_name", "../x.jpg"),
        r"images\.0\.file_name: .*file_name must be that of a file",
    ),
    "file of the root": (put("images", 0, "file_name", "/etc/passwd"), "file_name must be that of a file"),
    "no width": (without("images", 0, "width"), r"images\.0\.width: Field required"),
    "half a pixel": (
        put("images", 0, "height", 64.5),
        r"images\.0\.height: Input should be a valid integer, got 64\.5",
    ),
    "entry that is none": (lambda whole: whole["images"].append(3), r"images\.4: Input should be .*dict.*, got 3"),
    "no list": (lambda whole: whole.update(annotations={}), "annotations: Input should be a valid list, got {}"),
    "no categories": (
        lambda whole: whole.update(categories=[]),
        r"categories: List should have at least 1 item .*, got \[\]",
    ),
    "missing list": (lambda whole: whole.pop("images"), "images: Field required"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_file_and_id(read, name):
    change, message = BAD[name]
    with pytest.raises(ValueError, match=message) as caught:
        read(change, need_masks=name.startswith("mask"))
    assert "instances_train.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "instances_train.json is not valid JSON: .* line 1"),
        ('{"images": [NaN]}', "instances_train.json is not valid JSON: numbers must be finite, got NaN"),
        ('{"images": 1, "images": 2}', "keys must be unique, got 'images' twice"),
        ("[]", r"the file: Input should be .*dict.*, got \[\]"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_what_is_no_annotation_file_is_refused(read, coco_folder, text, message):
    path = coco_folder / "annotations" / "instances_train.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message):
        read_annotations(path, Reading(coco_folder / "train"), lambda *_: None)


def test_objects_with_bad_boxes_and_masks_are_left_out_if_asked(read):
    def change(value):
        value["annotations"][0]["bbox"] = [4, 11, 0, 21]
        value["annotations"][1]["bbox"] = [300, 11, 5, 21]
        value["annotations"][3]["segmentation"] = [[1, 2, 3]]

    annotations = read(change, need_masks=True, drop_bad_objects=True)
    objects = annotations.objects
    assert [each.id for each in objects[10]] == [3, 12]
    assert [each.id for each in objects[20]] == [5]
    (dropped,) = annotations.left_out
    assert (dropped.number, dropped.reason) == (3, "objects dropped by drop_bad_objects")
    assert dropped.examples[0].startswith("annotation 1: its box, x, y, width, height, must have a width")
    with pytest.raises(
        ValueError, match="annotation 1 must be of a listed image"
    ):  # what it is of must be known all the same
        read(put("annotations", 0, "image_id", 7), drop_bad_objects=True)


def test_boxes_may_reach_over_the_edge_by_a_rounding_error(read):
    assert read(put("annotations", 0, "bbox", [63.4, 11, 21, 21])).objects[10][0].box == (63.4, 11, 21, 21)


LENIENT = {
    "ids from 0": lambda whole: [each.update(id=place) for place, each in enumerate(whole["annotations"])],
    "repeated ids": put("annotations", 1, "id", 1),
    "no ids": lambda whole: [each.pop("id") for each in whole["annotations"]],
    "a Boolean crowd": put("annotations", 0, "iscrowd", False),
    "a null crowd": put("annotations", 0, "iscrowd", None),
    "a crowd as a float": put("annotations", 0, "iscrowd", 0.0),
    "ids as floats": lambda whole: [each.update(id=float(each["id"])) for each in whole["images"]],
    "sizes as floats": put("images", 0, "width", 84.0),
    "a null area": put("annotations", 0, "area", None),
    "a line as a polygon": put("annotations", 0, "segmentation", [[1, 1, 5, 5]]),
    "a mask of another size": put("annotations", 0, "segmentation", {"size": [1, 1], "counts": [1]}),
}


@pytest.mark.parametrize("name", LENIENT)
def test_forms_that_other_programs_write_are_read_as_the_same(read, name):
    annotations = read(LENIENT[name])
    assert [len(objects) for objects in annotations.objects.values()] == [4, 2, 3, 3]
    red = annotations.objects[10][0]
    assert (red.category, red.box, red.area, red.is_crowd) == (3, (4, 11, 21, 21), 441, False)
    ids = [each.id for objects in annotations.objects.values() for each in objects]
    assert sorted(ids) == list(range(1, 13))
    assert (annotations.images[0].id, annotations.images[0].width) == (10, 84)
    assert bool(annotations.notices) == (name in {"ids from 0", "repeated ids", "no ids"})


def test_a_true_crowd_is_a_crowd(read):
    assert read(put("annotations", 0, "iscrowd", True)).objects[10][0].is_crowd


def test_a_file_name_may_have_another_unicode_form(read, coco_folder):
    (coco_folder / "train/000001.jpg").rename(coco_folder / "train/cafe\u0301.jpg")
    first = read(put("images", 0, "file_name", "caf\u00e9.jpg")).images[0]
    assert first.path.is_file()
