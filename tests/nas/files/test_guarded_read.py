"""Reading of small files: anything but a regular file of limited size is refused at once."""

import os

import pytest

from nas.files.guarded_read import read_bytes, read_json, read_json_object, read_text


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, read_json_object])
def test_pipes_and_devices_are_refused_without_waiting(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        with pytest.raises(ValueError, match=f"{name} must be a file"):
            read(tmp_path / name)


def test_the_size_is_limited(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(10))
    assert read_bytes(path, max_bytes=10) == bytes(10)
    with pytest.raises(ValueError, match="file must have at most 9 bytes"):
        read_bytes(path, max_bytes=9)


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"{")
    with pytest.raises(ValueError, match=r"file is not valid JSON: "):
        read_json(path)
    path.write_bytes(b"[1]")
    assert read_json(path) == [1]
    with pytest.raises(ValueError, match=r"file must hold a JSON object, got \[1\]"):
        read_json_object(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="file is not UTF-8 text"):
        read_text(path)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "missing")
