import pytest

from nas.files.atomic_write import write_text


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
