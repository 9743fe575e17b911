"""Crops of photographs: the same pixels as torchvision's transforms, however they are stored."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

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
    return crop.permute(1, 2, 0).float()


BOX = Box(30, 20, 160, 120)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_crop_is_that_of_torchvision(tmp_path, suffix):
    picture(250, 180).save(path := tmp_path / f"a.{suffix}", quality=95)
    seen = []
    crop = decode_crop(path, lambda *size: seen.append(size) or BOX, 64)
    assert seen == [(250, 180)]
    assert crop.shape == (64, 64, 3)
    assert crop.dtype == np.uint8
    assert (torch.tensor(crop).float() - reference(path, BOX, 64)).abs().mean() < 1


def test_a_large_jpeg_is_decoded_at_a_smaller_scale_with_the_same_result(tmp_path, monkeypatch):
    picture(1200, 900).save(path := tmp_path / "a.jpg", quality=95)
    drafts = []
    from PIL.JpegImagePlugin import JpegImageFile

    def watch(self, mode, size):
        drafts.append(self.size)
        result = JpegImageFile.__dict__["draft_before"](self, mode, size)
        drafts.append(self.size)
        return result

    monkeypatch.setattr(JpegImageFile, "draft_before", JpegImageFile.draft, raising=False)
    monkeypatch.setattr(JpegImageFile, "draft", watch)
    box = Box(100, 100, 1000, 700)
    crop = decode_crop(path, lambda *_: box, 64)
    assert drafts == [(1200, 900), (300, 225)]  # 700 pixels to 64: 1/4 keeps 175, 1/8 would keep 88, below 128
    assert (torch.tensor(crop).float() - reference(path, box, 64)).abs().mean() < 1


def test_a_photograph_is_cropped_as_it_is_displayed(tmp_path):
    stored = picture(250, 180)
    exif = Image.Exif()
    exif[0x0112] = 6  # the top is on the right: turned clockwise to be displayed
    stored.save(path := tmp_path / "a.jpg", quality=95, exif=exif)
    stored.transpose(Image.Transpose.ROTATE_270).save(upright := tmp_path / "b.jpg", quality=95)
    box = Box(10, 30, 150, 200)
    crop = decode_crop(path, lambda *_: box, 64)
    assert (torch.tensor(crop).float() - reference(upright, box, 64)).abs().mean() < 2


def test_gray_and_cmyk_pictures_become_rgb(tmp_path):
    gray, cmyk = tmp_path / "g.jpg", tmp_path / "c.jpg"
    Image.new("L", (40, 40), 100).save(gray)
    Image.new("RGB", (40, 40), (200, 100, 50)).convert("CMYK").save(cmyk)
    whole = Box(0, 0, 40, 40)
    assert np.abs(decode_crop(gray, lambda *_: whole, 40).astype(int) - 100).max() <= 1
    assert np.abs(decode_crop(cmyk, lambda *_: whole, 40).astype(int) - [200, 100, 50]).max() <= 4


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
