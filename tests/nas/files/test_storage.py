"""Errors of storage: each names the path, what happened and what to do."""

import errno
import os
import pickle

import pytest

from nas.files.storage import StorageError, cannot_write, make_folder


@pytest.mark.parametrize(
    ("number", "todo"),
    [
        (errno.ENOSPC, "free disk space"),
        (errno.EDQUOT, "free disk space"),
        (errno.EROFS, "available and writable"),
        (errno.EACCES, "available and writable"),
        (errno.EIO, "available and writable"),
    ],
)
def test_the_message_names_path_reason_and_remedy(tmp_path, number, todo):
    message = str(cannot_write(tmp_path / "file", OSError(number, os.strerror(number))))
    assert message.startswith(f"{tmp_path / 'file'} cannot be written: {os.strerror(number)}; ")
    assert todo in message


def test_the_error_survives_the_way_from_a_worker():
    assert str(pickle.loads(pickle.dumps(StorageError("a message")))) == "a message"  # noqa: S301 - our own


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"the folder .+/file/run cannot be created: Not a directory"):
        make_folder(tmp_path / "file" / "run")
