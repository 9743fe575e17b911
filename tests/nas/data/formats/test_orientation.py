"""EXIF orientation: all eight, in all readers, and which picture annotations are of."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from nas.data.formats.orientation import displayed_size, is_annotated_as_stored, read_size, turn_upright
from nas.data.image_decoding import decode_image

TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: np.rot90,
}
"""The displayed picture of the stored one: 6 is turned clockwise, 8 anticlockwise (EXIF 2.3, section 4.6.4)."""


def picture(height=4, width=6):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", TURNS)
def test_pictures_are_decoded_as_displayed(tmp_path, orientation, suffix):
    options = {".webp": {"lossless": True}}.get(suffix, {})
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(picture()).save(path, exif=exif, **options)
    expected = TURNS[orientation](picture()).transpose(2, 0, 1)
    assert np.array_equal(decode_image(path, None), expected)
    with Image.open(path) as image:
        assert displayed_size(image) == expected.shape[:0:-1]
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(image).convert("RGB")).transpose(2, 0, 1), expected)


def test_a_square_turned_by_90_degrees_is_turned(tmp_path):
    """Today's sizes cannot tell, so pictures turned by 90 degrees were taken as they are stored."""
    path = save(tmp_path / "a.png", picture(6, 6), 6)
    assert np.array_equal(decode_image(path, None), np.rot90(picture(6, 6), -1).transpose(2, 0, 1))
    assert np.array_equal(decode_image(path, 6), np.rot90(picture(6, 6), -1).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("orientation", "annotated", "as_stored"),
    [(6, (4, 6), False), (6, (6, 4), True), (3, (6, 4), False), (1, (6, 4), False), (6, (9, 9), False)],
)
def test_annotations_are_of_the_displayed_picture_unless_only_the_stored_one_has_their_size(
    tmp_path, orientation, annotated, as_stored
):
    path = save(tmp_path / "a.jpg", picture(), orientation)
    with Image.open(path) as image:
        assert is_annotated_as_stored(image, annotated) == as_stored
        assert turn_upright(image, annotated=annotated).size == ((6, 4) if as_stored or orientation < 5 else (4, 6))
    assert read_size(path, annotated) == ((6, 4) if as_stored or orientation < 5 else (4, 6), as_stored)


def test_damaged_metadata_is_ignored(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert decode_image(tmp_path / "a.png", None).shape == (3, 4, 6)
