"""Digests of files: when a file is read again."""

import os
from pathlib import Path

import pytest

from nas.data import file_digests
from nas.data.file_digests import cache_folder, digest_file, digest_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_text("one")
    (tmp_path / "data/b").write_text("two")
    return tmp_path / "data"


@pytest.fixture
def settled(monkeypatch):
    """Takes files of this moment for old ones."""
    monkeypatch.setattr(file_digests, "_SETTLED_NS", -(10**12))


def test_a_digest_is_of_the_contents(folder):
    found = digest_files(folder, ["a", "b"])
    assert [size for size, _ in found.values()] == [3, 3]
    assert found["a"][1] == digest_file(folder / "a") != found["b"][1]
    assert len(found["a"][1]) == 32


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_is_read_once_and_a_replaced_one_again(folder, monkeypatch):
    before = digest_files(folder, ["a", "b"])
    read = []
    monkeypatch.setattr(file_digests, "digest_file", lambda path: read.append(path.name) or digest_file(path))
    assert digest_files(folder, ["a", "b"]) == before
    assert read == []
    stat = (folder / "a").stat()
    (folder / "other").write_text("ONE")
    os.utime(folder / "other", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (folder / "other").replace(folder / "a")
    assert digest_files(folder, ["a", "b"])["a"] != before["a"]
    assert read == ["a"]


def test_a_file_of_this_moment_is_read_again(folder, monkeypatch):
    digest_files(folder, ["a"])
    monkeypatch.setattr(file_digests, "digest_file", lambda _: "again")
    assert digest_files(folder, ["a"])["a"] == (3, "again")


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("text", ["{", "[]", '{"a": 3}', '{"a": [3, "x"]}'])
def test_a_damaged_or_unwritable_store_only_costs_time(folder, text):
    expected = digest_files(folder, ["a"])
    (store,) = (cache_folder() / "digests").iterdir()
    store.write_text(text)
    assert digest_files(folder, ["a"]) == expected


def test_without_a_cache_digests_are_computed(folder, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(folder / "a"))
    assert digest_files(folder, ["b"])["b"][0] == 3
    assert Path(os.environ["NAS_CACHE"]).read_text() == "one"
