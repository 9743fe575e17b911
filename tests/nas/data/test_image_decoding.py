import re

import numpy as np
import pytest
from PIL import Image

from nas.data.image_decoding import decode_blocks, decode_image


def save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return path


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def test_an_image_comes_channels_first(tmp_path, picture):
    pixels = decode_image(save(tmp_path / "a.png", picture), None)
    assert np.array_equal(pixels, picture.transpose(2, 0, 1))
    assert pixels.flags.c_contiguous


def test_every_kind_of_image_becomes_colour(tmp_path, picture):
    grey = decode_image(save(tmp_path / "grey.png", picture[:, :, 0]), None)
    assert grey.shape == (3, 12, 20)
    assert np.array_equal(grey[0], grey[2])
    palette = Image.fromarray(picture).quantize(8)
    palette.save(tmp_path / "palette.png", transparency=b"\x00\x80")
    assert decode_image(tmp_path / "palette.png", None).shape == (3, 12, 20)
    Image.fromarray(np.linspace(0, 65535, 12 * 20).reshape(12, 20).astype(np.uint16)).save(tmp_path / "deep.png")
    deep = decode_image(tmp_path / "deep.png", None)
    assert deep.shape == (3, 12, 20)
    assert (deep.min(), deep.max()) == (0, 255)
    assert abs(deep.mean() - 127.5) < 1
    Image.fromarray(np.zeros((12, 20), np.float32)).save(tmp_path / "deep.tiff")
    with pytest.raises(ValueError, match=r"deep\.tiff .*8 or 16 bits per channel, got Pillow's mode F"):
        decode_image(tmp_path / "deep.tiff", None)
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "cmyk.jpg")
    assert decode_image(tmp_path / "cmyk.jpg", 8).shape == (3, 8, 8)


def test_the_middle_of_a_resized_image_is_kept(tmp_path):
    wide = np.zeros((10, 30, 3))
    wide[:, 10:20, 0] = 255
    pixels = decode_image(save(tmp_path / "wide.png", wide), 5)
    assert pixels.shape == (3, 5, 5)
    assert (pixels[0, :, 1:-1] == 255).all()
    assert (pixels[1:] == 0).all()


def test_a_large_photograph_is_scaled_down_smoothly(tmp_path):
    rows, columns = np.mgrid[0:400, 0:400]
    photograph = np.stack([rows * 0.6, columns * 0.6, (rows + columns) * 0.3], 2)
    pixels = decode_image(save(tmp_path / "a.jpg", photograph, quality=95), 20).astype(int)
    expected = photograph.reshape(20, 20, 20, 20, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(pixels - expected).max() < 6


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp"])
def test_a_truncated_file_is_named(tmp_path, picture, suffix):
    path = save(tmp_path / f"broken.{suffix}", picture)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} is not an image that can be decoded"):
        decode_image(path, None)


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "no.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"no\.jpg is not an image") as error:
        decode_image(path, 8)
    assert str(error.value).count("no.jpg") == 1


def test_blocks_keep_the_order(tmp_path):
    paths = [save(tmp_path / f"{value}.png", np.full((8, 8, 3), value % 256)) for value in range(300)]
    blocks = list(decode_blocks(paths, None))
    assert len(blocks) > 1
    assert [int(image[0, 0, 0]) for block in blocks for image in block] == [value % 256 for value in range(300)]


def test_one_size_is_needed_unless_images_are_resized(tmp_path, picture):
    paths = [save(tmp_path / "a.png", picture), save(tmp_path / "b.png", picture[:, :15])]
    with pytest.raises(ValueError, match=r"20 x 12 pixels like the first, unless image_size .*b.png is 15 x 12"):
        list(decode_blocks(paths, None))
    assert next(decode_blocks(paths, 8)).shape == (2, 3, 8, 8)
