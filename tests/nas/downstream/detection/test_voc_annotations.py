"""Pascal VOC's boxes: their pixels, difficult objects, sets, and what is said of a damaged file."""

import pytest

from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.images import ImageStore, TrainingImages
from nas.downstream.detection.settings import DetectionData
from nas.downstream.training import Draw


def load(folder, *, masks=False, **settings):
    return load_detection_data(DetectionData(root=str(folder), **settings), masks=masks)


def names(annotations):
    return [f"{image.path.parts[-3]}/{image.path.stem}" for image in annotations.images]


def test_the_usual_sets_of_both_years(voc_folder):
    data = load(voc_folder)
    assert names(data.train) == [f"VOC2007/{name:06}" for name in (5, 7, 9)] + [
        f"VOC2012/2008_{name:06}" for name in (2, 3, 8, 15)
    ]
    assert names(data.evaluation) == ["VOC2007/000001", "VOC2007/000002"]
    assert data.evaluation.eleven_points
    assert data.train.eleven_points is False
    assert data.report.used["training images"] == 7
    assert "7 difficult objects" in " ".join(data.report.notices)


@pytest.mark.parametrize("place", ["", "VOCdevkit/VOC2012"])
def test_one_year(voc_folder, place):
    data = load(
        voc_folder / "VOC2012" if place else voc_folder, train_sets=["VOC2012/train"], evaluation_sets=["VOC2012/val"]
    )
    assert (len(data.train.images), names(data.evaluation)) == (2, ["VOC2012/2008_000002", "VOC2012/2008_000003"])
    assert data.evaluation.eleven_points is False


def test_a_folder_that_holds_the_devkit(voc_folder):
    assert len(load(voc_folder.parent).train.images) == 7


def test_boxes_count_pixels_from_one(voc_folder):
    """A box from 5 to 24 covers the pixels 4 to 23, counted from 0: 20 of them."""
    dog, person, hard = load(voc_folder, train_sets=["VOC2012/val"]).train.objects[1]
    assert dog.box == (4, 5, 20, 25)
    assert (dog.category, person.category) == (12, 15)
    assert [each.is_difficult for each in (dog, person, hard)] == [False, False, True]


def test_difficult_objects_are_not_trained_on(voc_folder):
    images = TrainingImages(load(voc_folder).train, ImageStore(0), flip=False, masks=False)
    ((pixels,), (target,)) = images.batch([Draw(0, 0)], "cpu")
    assert target["labels"].tolist() == [12, 15]
    left, top, right, bottom = target["boxes"][0].int().tolist()
    assert (pixels[:, top:bottom, left:right] * 255 - 200).abs().mean() < 4  # the dog is painted in 200


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


ANNOTATION = "VOC2012/Annotations/2008_000008.xml"
DAMAGES = {
    r"2008_000008\.xml: size/width must be a number, got nothing": ("<size>", "<sise>", "</size>", "</sise>"),
    r"2008_000008\.xml: size must be a width and a height of 1 to 65535 pixels, got 0 x 48": (
        "<width>62<",
        "<width>0<",
    ),
    r"2008_000008\.jpg must have 61 x 48 pixels as the annotations say, got 62 x 48": ("<width>62<", "<width>61<"),
    r"2008_000008\.xml: an object must be of aeroplane, \.\., tvmonitor, got 'wolf'": ("<name>dog<", "<name>wolf<"),
    r"2008_000008\.xml: bndbox/xmax must be a number, got 'wide'": ("<xmax>50<", "<xmax>wide<"),
    r"2008_000008\.xml: bndbox/xmax must be a number, got 'nan'": ("<xmax>50<", "<xmax>nan<"),
    r"2008_000008\.xml: difficult must be 0 or 1, got 'very'": ("<difficult>1<", "<difficult>very<"),
    r"2008_000008\.xml is not valid XML: mismatched tag": ("</segmented>", "</other>"),
    r"2008_000008\.xml must be XML without declarations": ("<annotation>\n", "<!DOCTYPE a><annotation>\n"),
    r"2008_000008\.xml, annotation 11 .*: its box, .* must have a width .*": ("<xmax>50<", "<xmax>20<"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(voc_folder, damage):
    pairs = DAMAGES[damage]
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        edit(voc_folder / ANNOTATION, old, new)
    with pytest.raises(ValueError, match=damage) as caught:
        load(voc_folder, train_sets=["VOC2007/trainval", "VOC2012/train"])
    assert "\n" not in str(caught.value)


def test_masks_and_missing_files_are_refused(voc_folder):
    with pytest.raises(ValueError, match=r"hold boxes only \(Pascal VOC\), so detector\.masks must be false"):
        load(voc_folder, masks=True)
    (voc_folder / ANNOTATION).unlink()
    with pytest.raises(ValueError, match=r"there is no file .*2008_000008\.xml"):
        load(voc_folder)


def test_the_format_may_be_named(coco_folder, voc_folder):
    assert load(voc_folder, format="voc").train.images
    with pytest.raises(ValueError, match=r"must hold annotations/instances_train\.json"):
        load(voc_folder, format="coco")
    with pytest.raises(ValueError, match="must be VOCdevkit or hold VOC2007 or another year"):
        load(coco_folder, format="voc")
    with pytest.raises(ValueError, match=r"data\.train_sets and data\.evaluation_sets are for Pascal VOC's layout"):
        load(coco_folder, train_sets=["VOC2007/train"])
