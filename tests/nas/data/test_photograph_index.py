"""Indexes in the cache folder: one file that is mapped, rebuilt if damaged, refused in one line without room."""

import os

import numpy as np
import pytest

from nas.data.photograph_index import decode_name, encode_names, index_path, map_names, mapped, one_at_a_time

NAMES = ("a.png", "é/b.png", os.fsdecode(b"\xff.png"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_names_are_kept_and_mapped(cache):
    index = map_names(NAMES)
    assert isinstance(index, np.memmap)
    assert tuple(map(decode_name, index)) == NAMES
    (path,) = (cache / "indexes").iterdir()
    before = path.stat().st_mtime_ns
    map_names(NAMES)
    assert path.stat().st_mtime_ns == before
    path.write_bytes(path.read_bytes()[:-1])
    assert mapped(path) is None
    assert map_names(NAMES).tolist() == encode_names(NAMES).tolist()


def test_an_index_without_room_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match=r"the index of 3 photographs, .* cannot be kept at .* set NAS_CACHE"):
        map_names(NAMES)
    with pytest.raises(RuntimeError, match=r"the index cannot be kept at"), one_at_a_time(index_path("x.json")):
        pass


def test_a_full_disk_is_the_same_line(monkeypatch):
    def fsync(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(RuntimeError, match=r"cannot be kept at .* \(No space left on device\); set NAS_CACHE"):
        map_names(NAMES)
