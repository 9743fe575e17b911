import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import image_cache
from nas.data.image_cache import FileList, cache_folder, cached_images


def save(path, value, size=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path):
    names = tuple(f"class/{value}.png" for value in range(5))
    for value, name in enumerate(names):
        save(tmp_path / "images" / name, value)
    return FileList(tmp_path / "images", names)


def entries(cache):
    """The entries of decoded images, without the digests of files."""
    return [path for path in cache.iterdir() if path.name != "digests"]


def values(images):
    return [int(image[0, 0, 0]) for image in images]


def test_a_folder_is_decoded_once(cache, files, monkeypatch):
    calls = []
    first = cached_images(files, None, progress=lambda done, total: calls.append((done, total)))
    monkeypatch.setattr(image_cache, "decode_blocks", None)  # would fail if it were called
    second = cached_images(files, None, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(5, 5)]
    assert values(first) == values(second) == [0, 1, 2, 3, 4]
    assert first.shape == (5, 3, 8, 8)


def test_an_entry_says_what_it_holds_and_the_data_folder_stays_as_it_is(cache, files):
    before = sorted(files.folder.rglob("*"))
    cached_images(files, 16)
    (entry,) = entries(cache)
    manifest = json.loads((entry / "manifest.json").read_text())
    assert manifest["folder"] == str(files.folder)
    assert manifest["image_size"] == 16
    assert [name for name, _, _ in manifest["files"]] == list(files.names)
    assert sorted(files.folder.rglob("*")) == before


def test_a_changed_file_is_decoded_again_and_the_old_entry_goes(cache, files):
    cached_images(files, None)
    save(files.paths[2], 99)
    os.utime(files.paths[2], ns=(1, 1))
    assert values(cached_images(files, None)) == [0, 1, 99, 3, 4]
    assert len(entries(cache)) == 1


def test_other_contents_of_equal_size_and_time_are_noticed(cache, files):
    """As after ``rsync -t`` or ``cp -p`` of a file of the same length."""
    path = files.paths[2]
    other = path.with_name("other.png")
    save(other, 3)
    for each in (path, other):  # one size
        each.write_bytes(each.read_bytes() + bytes(100 - each.stat().st_size))
    before = path.stat()
    cached_images(files, None)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (100, before.st_mtime_ns)
    assert values(cached_images(files, None)) == [0, 1, 3, 3, 4]


def test_a_time_alone_changes_nothing(cache, files, monkeypatch):
    cached_images(files, None)
    os.utime(files.paths[2], ns=(1, 1))
    monkeypatch.setattr(image_cache, "decode_blocks", None)  # would fail if it were called
    assert values(cached_images(files, None)) == [0, 1, 2, 3, 4]


def test_sizes_have_entries_of_their_own(cache, files):
    assert cached_images(files, 8).shape[2] == 8
    assert cached_images(files, 16).shape[2] == 16
    assert len(entries(cache)) == 2


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_a_damaged_entry_is_built_again(cache, files, damage):
    cached_images(files, None)
    (array,) = cache.glob("*/images.npy")
    array.write_bytes(array.read_bytes()[:-10] if damage is None else damage)
    assert values(cached_images(files, None)) == [0, 1, 2, 3, 4]
    assert len(entries(cache)) == 1


def test_nothing_is_left_behind_when_a_file_does_not_decode(cache, files):
    files.paths[3].write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"3\.png is not an image"):
        cached_images(files, None)
    assert entries(cache) == []


def test_a_cache_that_cannot_be_written_is_named(cache, files):
    cache.write_text("a file, not a folder")
    with pytest.raises(RuntimeError, match=f"cannot be written to {cache} .*set NAS_CACHE"):
        cached_images(files, None)


def test_a_full_disk_is_named(cache, files, monkeypatch):
    def write(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_cache, "_write_array", write)
    with pytest.raises(RuntimeError, match=r"No space left on device.*NAS_CACHE"):
        cached_images(files, None)
    assert entries(cache) == []


def test_an_entry_that_vanishes_is_reported(cache, files, monkeypatch):
    monkeypatch.setattr(image_cache, "_open", lambda entry, num_images: None)
    with pytest.raises(RuntimeError, match="cannot be read back"):
        cached_images(files, None)


def test_whoever_comes_second_takes_the_entry_of_the_first(cache, files, monkeypatch):
    write = image_cache._write_array

    def write_while_another_does_so_too(path, blocks, *, num_images):
        monkeypatch.setattr(image_cache, "_write_array", write)
        cached_images(files, None)
        write(path, blocks, num_images=num_images)

    monkeypatch.setattr(image_cache, "_write_array", write_while_another_does_so_too)
    assert values(cached_images(files, None)) == [0, 1, 2, 3, 4]
    assert len(entries(cache)) == 1


def build_at_once(folder, names, barrier, queue):
    barrier.wait(timeout=600)
    queue.put(values(cached_images(FileList(Path(folder), names), None)))


def test_two_processes_may_build_at_once(cache, files):
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(2), context.Queue()
    arguments = (str(files.folder), files.names, barrier, queue)
    processes = [context.Process(target=build_at_once, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=600) for _ in processes] == [[0, 1, 2, 3, 4]] * 2
    for process in processes:
        process.join(timeout=600)
    assert len(entries(cache)) == 1


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", "/chosen")
    assert cache_folder() == Path("/chosen")
    monkeypatch.delenv("NAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/nas-engine")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "nas-engine"
