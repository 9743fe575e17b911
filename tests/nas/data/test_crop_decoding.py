"""Crops of photographs: the same pixels as torchvision's transforms, however they are stored."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from nas.data import crop_decoding
from nas.data.crop_decoding import Box, center_box, decode_crop


def picture(width, height):
    across, down = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 4, height))
    waves = [np.sin(across + down), np.cos(across * 2), np.sin(down * 3)]
    return Image.fromarray(((np.stack(waves, 2) + 1) * 127).astype(np.uint8))


def reference(path, box, size):
    with Image.open(path) as image:
        pixels = functional.pil_to_tensor(image.convert("RGB"))
    box = [int(box.top), int(box.left), int(box.height), int(box.width)]
    crop = functional.resized_crop(pixels, *box, [size, size], antialias=True)
    return crop.float()


BOX = Box(30, 20, 160, 120)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_crop_is_that_of_torchvision(tmp_path, suffix):
    picture(250, 180).save(path := tmp_path / f"a.{suffix}", quality=95)
    seen = []
    crop = decode_crop(path, lambda *size: seen.append(size) or BOX, 64)
    assert seen == [(250, 180)]
    assert crop.shape == (3, 64, 64)
    assert crop.dtype == np.uint8
    assert (torch.tensor(crop).float() - reference(path, BOX, 64)).abs().mean() < 1


@pytest.mark.parametrize("turned", [False, True])
def test_a_large_jpeg_is_decoded_at_a_smaller_scale_with_the_same_result(tmp_path, monkeypatch, turned):
    path, upright, box, seen = tmp_path / "a.jpg", tmp_path / "b.jpg", Box(100, 100, 700, 700), []
    save_turned(picture(1200, 900), path, orientation=6 if turned else 1)
    stored = Image.open(path)
    (stored.transpose(Image.Transpose.ROTATE_270) if turned else stored).save(upright, quality=100)
    resize = crop_decoding._pixels
    monkeypatch.setattr(crop_decoding, "_pixels", lambda *given: seen.append(given[1:]) or resize(*given))
    crop = decode_crop(path, lambda *_: box, 64)
    assert seen == [(0.25, 0.25)]  # 700 pixels to 64: 1/4 keeps 175, 1/8 would keep 88, below 128
    assert (torch.tensor(crop).float() - reference(upright, box, 64)).abs().mean() < 1


def save_turned(stored, path, *, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(path, quality=95, exif=exif)


def test_a_photograph_is_cropped_as_it_is_displayed(tmp_path):
    stored = picture(250, 180)
    save_turned(stored, path := tmp_path / "a.jpg", orientation=6)  # turned clockwise to be displayed
    stored.transpose(Image.Transpose.ROTATE_270).save(upright := tmp_path / "b.jpg", quality=95)
    box = Box(10, 30, 150, 200)
    crop = decode_crop(path, lambda *_: box, 64)
    assert (torch.tensor(crop).float() - reference(upright, box, 64)).abs().mean() < 2


def test_a_crop_is_not_overwritten_by_the_next(tmp_path):
    for number, level in enumerate((50, 200)):
        Image.new("RGB", (20, 20), (level,) * 3).save(tmp_path / f"{number}.jpg")
    whole, first = Box(0, 0, 20, 20), None
    for size in (20, 10):
        first = decode_crop(tmp_path / "0.jpg", lambda *_: whole, size)
        decode_crop(tmp_path / "1.jpg", lambda *_: whole, size)
        assert (first == 50).all()


def test_a_jpeg_with_more_bytes_than_it_needs_is_decoded_as_by_a_viewer(tmp_path):
    picture(250, 180).save(path := tmp_path / "a.jpg", quality=95)
    expected = decode_crop(path, lambda *_: BOX, 64)
    path.write_bytes(path.read_bytes()[:-2] + b"\0" * 9 + b"\xff\xd9")  # libjpeg warns of them
    assert np.array_equal(decode_crop(path, lambda *_: BOX, 64), expected)


def test_the_header_of_a_plain_jpeg_needs_no_pillow(tmp_path, monkeypatch):
    picture(250, 180).save(plain := tmp_path / "a.jpg", quality=95)
    save_turned(picture(250, 180), turned := tmp_path / "b.jpg", orientation=1)
    expected = decode_crop(turned, lambda *_: BOX, 64)
    monkeypatch.setattr(crop_decoding.Image, "open", lambda _: pytest.fail("opened"))
    assert np.array_equal(decode_crop(plain, lambda *_: BOX, 64), expected)
    monkeypatch.setattr(crop_decoding.Image, "MAX_IMAGE_PIXELS", 250 * 180 - 1)  # Pillow warns of decompression bombs
    with pytest.raises(pytest.fail.Exception, match="opened"):
        decode_crop(plain, lambda *_: BOX, 64)


def test_gray_and_cmyk_pictures_become_rgb(tmp_path):
    gray, cmyk = tmp_path / "g.jpg", tmp_path / "c.jpg"
    Image.new("L", (40, 40), 100).save(gray)
    Image.new("RGB", (40, 40), (200, 100, 50)).convert("CMYK").save(cmyk)
    whole = Box(0, 0, 40, 40)
    assert np.abs(decode_crop(gray, lambda *_: whole, 40).astype(int) - 100).max() <= 1
    assert (
        np.abs(decode_crop(cmyk, lambda *_: whole, 40).astype(int) - np.array([200, 100, 50])[:, None, None]).max() <= 4
    )


def test_a_center_square_is_a_share_of_the_shorter_side():
    assert center_box(500, 400, share=0.875) == Box(75, 25, 350, 350)


def test_a_truncated_photograph_is_named(tmp_path):
    picture(250, 180).save(path := tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(ValueError, match=r"a\.jpg is not an image that can be decoded"):
        decode_crop(path, lambda *_: BOX, 64)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.jpg is not an image"):
        decode_crop(path, lambda *_: BOX, 64)
