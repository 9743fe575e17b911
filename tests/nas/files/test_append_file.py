"""The growing file: nothing in part, everything on the disk in the end, and no wait for it meanwhile."""

import errno
import os
import threading

import pytest

from nas.files import append_file
from nas.files.append_file import AppendFile
from nas.files.storage import StorageError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def refuse(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_is_beyond_the_size_is_cut_off(path):
    path.write_bytes(b"kept" + b"torn")
    file = AppendFile(path, 4)
    file.append(b" and more")
    assert path.read_bytes() == b"kept and more"
    file.close()


def test_nobody_waits_for_the_disk_and_one_sync_serves_all_that_came_meanwhile(path, monkeypatch):
    started, may_end, synced = threading.Event(), threading.Event(), []

    def slow(descriptor):
        size = os.fstat(descriptor).st_size
        started.set()
        assert may_end.wait(30)
        synced.append(size)

    file = AppendFile(path, 0)
    monkeypatch.setattr(append_file.os, "fsync", slow)
    file.append(b"a")
    assert started.wait(30)
    for _ in range(100):
        file.append(b"b")
    assert path.read_bytes() == b"a" + 100 * b"b"
    assert synced == []
    may_end.set()
    file.close()
    assert synced == [1, 101]


def test_a_write_that_fails_leaves_nothing_of_itself(path, monkeypatch):
    file, write = AppendFile(path, 0), os.write
    file.append(b"before")
    with monkeypatch.context() as patch:
        patch.setattr(
            append_file.os, "write", lambda descriptor, data: write(descriptor, data[:2]) if len(data) > 3 else refuse()
        )
        with pytest.raises(RuntimeError, match="cannot be written: No space left on device; everything recorded"):
            file.append(b"12345")
    assert path.read_bytes() == b"before"
    file.append(b" and after")
    file.close()
    assert path.read_bytes() == b"before and after"


@pytest.mark.parametrize("is_told_by", ["append", "close"])
def test_a_disk_that_is_found_full_only_later_stops_all_writing(path, monkeypatch, is_told_by):
    """As file servers do: they take the bytes, and refuse them at the sync."""
    file = AppendFile(path, 0)
    file.append(b"safe")
    wait_until(lambda: file._safe_size == 4)
    monkeypatch.setattr(append_file.os, "fsync", refuse)
    file.append(b"lost")
    if is_told_by == "append":
        wait_until(lambda: file._error is not None)
        with pytest.raises(RuntimeError, match="No space left on device"):
            file.append(b"more")
    with pytest.raises(RuntimeError, match="No space left on device"):
        file.close()
    assert path.read_bytes() == b"safe"


def wait_until(is_so):
    for _ in range(3000):
        if is_so():
            return
        threading.Event().wait(0.01)
    pytest.fail("it does not come")


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"missing/file cannot be written: No such file or directory"):
        AppendFile(tmp_path / "missing" / "file", 0)


def test_a_file_that_cannot_be_prepared_is_let_go(path, monkeypatch):
    monkeypatch.setattr(append_file.os, "ftruncate", refuse)
    before = threading.active_count()
    with pytest.raises(StorageError, match="No space"):
        AppendFile(path, 0)
    assert threading.active_count() == before


@pytest.mark.parametrize("change", ["remove", "replace", "rename the folder"])
def test_a_file_that_is_no_longer_at_its_path_is_not_written(tmp_path, change):
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "file"
    file = AppendFile(path, 0)
    file.append(b"before")
    if change == "rename the folder":
        folder.rename(tmp_path / "elsewhere")
    else:
        path.unlink()
    if change == "replace":
        path.write_bytes(b"other")
    with pytest.raises(StorageError, match=r"file was moved, removed or replaced while it was being written"):
        file.append(b"after")
    assert not path.exists() or path.read_bytes() == b"other"
    file.close()


def test_a_symbolic_link_is_not_followed(tmp_path, path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"content")
    path.symlink_to(victim)
    with pytest.raises(StorageError, match="must be a file, and no symbolic link"):
        AppendFile(path, 0)
    assert victim.read_bytes() == b"content"


def test_a_pipe_is_refused_at_once(path):
    os.mkfifo(path)
    with pytest.raises(StorageError, match="must be a file"):
        AppendFile(path, 0)
