import os
import signal
import stat
import subprocess
import sys

import pytest

from nas.files.atomic_write import remove_unfinished, replaced_file, write_bytes, write_text
from nas.files.storage import StorageError

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from nas.files.atomic_write import replaced_file
with replaced_file(Path(sys.argv[1])) as descriptor:
    os.write(descriptor, b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_if_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_text(path, "one")

    def refuse(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.files.atomic_write.os.fsync", refuse)
    with pytest.raises(RuntimeError, match=r"a.json cannot be written: No space left on device"):
        write_text(path, "two")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_is_replaced_and_its_target_stays(tmp_path):
    path, victim = tmp_path / "a.json", tmp_path / "victim"
    victim.write_text("content")
    path.symlink_to(victim)
    write_text(path, "new")
    assert (victim.read_text(), path.read_text(), path.is_symlink()) == ("content", "new", False)


def test_permissions_are_those_asked_for(tmp_path):
    write_text(tmp_path / "secret", "x", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    umask = os.umask(0o022)
    try:
        write_text(tmp_path / "secret", "x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o644


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path):
    path = tmp_path / "a.json"
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.json.")
    assert left.read_bytes() == b"half"
    write_text(tmp_path / "b.json", "other")
    assert left.exists()
    write_text(path, "whole")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_files_that_are_being_written_and_files_of_others_are_kept(tmp_path):
    others = [tmp_path / name for name in (".a.json.swp", ".hidden", ".a.json.notes.tmp", "a.json.123")]
    for each in others:
        each.write_text("mine")
    (tmp_path / ".a.json.4711").write_text("left by an earlier version")
    with replaced_file(tmp_path / "a.json") as descriptor:
        remove_unfinished(tmp_path)
        os.write(descriptor, b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "a.json"])
    assert (tmp_path / "a.json").read_bytes() == b"whole"


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(StorageError, match=r"missing/a.json cannot be written: No such file or directory"):
        write_bytes(tmp_path / "missing" / "a.json", b"")
