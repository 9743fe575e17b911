"""Images with masks: what is found, and that whatever is wrong with a file is said before anything is trained."""

import numpy as np
import pytest
from PIL import Image

from nas.downstream.segmentation.data import identify_test_split, read_folder, read_mask, read_picture, read_test_split
from nas.downstream.segmentation.settings import SegmentationData

SPEC = SegmentationData()


def save_mask(folder, values, name="train/2"):
    Image.fromarray(values).save(folder / "semantic" / f"{name}.png")


def test_what_is_found(segmentation_folder):
    folder = read_folder(segmentation_folder, SPEC)
    assert [pair.image.name for pair in folder.train.pairs] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert [pair.mask.name for pair in folder.validation.pairs] == ["0.png", "1.png"]
    assert folder.classes.values == (1, 3, 7)
    assert (len(folder.train), folder.train.counts.sum()) == (4, 30 * (20 + 21 + 22 + 23))
    assert folder.train.counts[7] == 4 * 5 * 30


def test_palettes_do_not_matter(segmentation_folder):
    mask = Image.open(segmentation_folder / "semantic" / "train" / "2.png")
    values = np.asarray(mask)
    coloured = Image.fromarray(values, mode=None).convert("L")
    coloured.putpalette([200] * 768)
    coloured.save(segmentation_folder / "semantic" / "train" / "2.png")
    assert np.array_equal(read_mask(segmentation_folder / "semantic" / "train" / "2.png"), values)
    assert read_folder(segmentation_folder, SPEC).classes.values == (1, 3, 7)


def damage_nothing_there(folder):
    for path in (folder / "val").iterdir():
        path.unlink()


def damage_beyond(folder):
    (folder / "classes.txt").write_text("a\nb\nc\n")


def damage_nothing_labelled(folder):
    for index in range(2):
        save_mask(folder, np.zeros((20 + index, 30), dtype=np.uint8), f"val/{index}")


DAMAGES = {
    r"train.2\.jpg must have a mask .*semantic.train.2\.png": lambda folder: (
        folder / "semantic" / "train" / "2.png"
    ).unlink(),
    r"semantic.train.2\.png must be 30 x 22 pixels as its image is, got 22 x 30": lambda folder: save_mask(
        folder, np.ones((30, 22), dtype=np.uint8)
    ),
    r"semantic.train.2\.png must be a mask of one channel of 8 bits \(L or P\), got RGB": lambda folder: save_mask(
        folder, np.ones((22, 30, 3), dtype=np.uint8)
    ),
    r"semantic.train.2\.png must be a mask .*, got I;16": lambda folder: save_mask(
        folder, np.ones((22, 30), dtype=np.uint16)
    ),
    r"semantic.train.2\.png is not a mask that can be decoded": lambda folder: (
        folder / "semantic" / "train" / "2.png"
    ).write_bytes(b"nothing"),
    r"train.2\.jpg is not an image that can be decoded": lambda folder: (folder / "train" / "2.jpg").write_bytes(
        (folder / "train" / "2.jpg").read_bytes()[:300]
    ),
    r"semantic.train.0\.png must hold the values 1\.\.3 of 3 classes and 0 \(unlabelled\), got 7": damage_beyond,
    r"val must hold images": damage_nothing_there,
    r"semantic.val must hold pixels of the classes, got none": damage_nothing_labelled,
}


@pytest.mark.parametrize("message", DAMAGES)
def test_whatever_is_wrong_is_said_with_the_file(segmentation_folder, message):
    DAMAGES[message](segmentation_folder)
    with pytest.raises(ValueError, match=message) as caught:
        read_folder(segmentation_folder, SPEC)
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path):
    with pytest.raises(
        ValueError, match=r"there must be a folder .*train of images and a folder .*semantic.train of masks"
    ):
        read_folder(tmp_path, SPEC)


def test_another_folder_for_the_same_classes(segmentation_folder):
    classes = read_folder(segmentation_folder, SPEC).classes
    assert len(read_test_split(segmentation_folder, SPEC, classes)) == 2
    save_mask(segmentation_folder, np.full((20, 30), 9, dtype=np.uint8), "val/0")
    with pytest.raises(ValueError, match=r"val.0\.png must hold the values 1\.\.7 of 3 classes .* got 9"):
        read_test_split(segmentation_folder, SPEC, classes)
    (segmentation_folder / "classes.txt").write_text("a\nb\nc\nd\ne\nf\ng\nh\ni\n")
    with pytest.raises(ValueError, match=r"classes\.txt must name value 1 '1', got 'a'"):
        read_test_split(segmentation_folder, SPEC, classes)


def test_real_masks(real_data):
    folder = read_folder(real_data / "coco100", SegmentationData(most_frequent=3))
    assert (len(folder.train), len(folder.validation)) == (100, 50)
    assert folder.classes.names[0] == "person"


@pytest.mark.parametrize("of", ["displayed", "stored"])
def test_masks_lie_on_their_pictures(segmentation_folder, of):
    """Red is value 1 and blue is 3, whichever way the camera was held."""
    path = segmentation_folder / "train/0.jpg"
    upright = np.asarray(Image.open(path))
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(np.rot90(upright, -1) if of == "displayed" else upright).save(path, quality=100, exif=exif)
    folder = read_folder(segmentation_folder, SPEC)
    pair = folder.train.pairs[0]
    mask = read_mask(pair.mask)
    picture = read_picture(pair, mask)
    assert picture.shape[1:] == mask.shape
    assert picture[0][mask == 1].mean() > 200
    assert picture[0][mask == 3].mean() < 80
    assert any("as it is stored" in notice for notice in folder.report.notices) == (of == "stored")


def test_what_is_used_is_counted_with_an_identity(segmentation_folder):
    (segmentation_folder / "val/Thumbs.db").write_text("")
    folder = read_folder(segmentation_folder, SPEC)
    report = folder.report
    assert report.used == {"training images": 4, "validation images": 2, "classes": 3}
    assert [str(each) for each in report.left_out] == ["1 hidden or system files (val/Thumbs.db)"]
    assert len(report.identity.files) == 12
    save_mask(segmentation_folder, np.full((22, 30), 3, dtype=np.uint8))
    changed = read_folder(segmentation_folder, SPEC).report.identity
    assert report.identity.differences(changed) == ["1 file changed (semantic/train/2.png)"]
    alone = identify_test_split(segmentation_folder, folder.validation)
    assert alone.files.keys() == {name for name in report.identity.files if "val/" in name}
