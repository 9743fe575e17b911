"""Notices on pictures that may hold something else than expected."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nas.data.image_decoding import decode_image
from nas.data.picture_notices import has_16_bits, picture_notices


def save(path, highest, kind=np.uint16):
    Image.fromarray(np.array([[0, highest]] * 2, dtype=kind)).save(path)
    return path


def test_16_bit_pictures_of_12_bits_get_a_notice(tmp_path):
    paths = [save(tmp_path / f"{number}.png", 4000 + number) for number in range(3)]
    (notice,) = picture_notices(paths)
    assert "hold values up to 4,002 of 65,535 (12 bits) and appear dark" in notice
    assert [*picture_notices([*paths, save(tmp_path / "full.png", 60_000)])] == []


@pytest.mark.parametrize("kind", [np.uint8])
def test_8_bit_pictures_and_damaged_files_get_none(tmp_path, kind):
    (tmp_path / "damaged.png").write_text("")
    assert [*picture_notices([save(tmp_path / "a.png", 3, kind), tmp_path / "damaged.png"])] == []
    assert [*picture_notices([])] == []


def test_color_of_16_bits_gets_a_notice(tmp_path):
    rows = b"".join(b"\0" + bytes([200, 99] * 6) for _ in range(2))  # two pixels a row, without a filter
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(each)) + kind + each + struct.pack(">I", zlib.crc32(kind + each)) for kind, each in chunks
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    (notice,) = picture_notices([tmp_path / "a.png"])
    assert notice == "of several channels of 16 bits, such as those of a.png, the upper 8 bits are used"
    assert set(decode_image(tmp_path / "a.png", None).flatten().tolist()) == {200}


def test_files_with_several_frames_get_a_notice(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (notice,) = picture_notices([tmp_path / "a.gif"])
    assert notice == "of files with several frames, such as a.gif, only the first is used"


def test_16_bits_of_a_pgm_are_read(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + bytes([0, 0, 255, 255]))
    with Image.open(tmp_path / "a.pgm") as image:
        assert has_16_bits(image)
    assert decode_image(tmp_path / "a.pgm", None)[0].tolist() == [[0, 255]]


def test_transparent_parts_get_a_notice(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 255)).save(tmp_path / "opaque.png")
    assert [*picture_notices([tmp_path / "opaque.png"])] == []
    Image.new("RGBA", (8, 8), (9, 0, 0, 0)).save(tmp_path / "a.png")
    (notice,) = picture_notices([tmp_path / "a.png"])
    assert notice.startswith("transparent parts of pictures, such as those of a.png, are read in the color")
    assert decode_image(tmp_path / "a.png", None)[:, 0, 0].tolist() == [9, 0, 0]
