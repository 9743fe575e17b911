"""Which files are images: suffixes, hidden files, folders within folders."""

import os

import pytest

from nas.data.image_files import composed, find_folders, find_images, image_suffixes, is_hidden


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("b.PNG", "a.jfif", "c.pgm", "deep/er/d.webp", "notes.txt", "._b.png", "Thumbs.db", ".git/x.png"):
        (tmp_path / name).write_text("")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "deep/loop").symlink_to(tmp_path)
    return tmp_path


def test_all_that_pillow_decodes_is_found_in_all_folders_and_the_rest_is_counted(folder):
    found = find_images(folder)
    assert found.names == ("a.jfif", "b.PNG", "c.pgm", "deep/er/d.webp")
    assert {each.reason: (each.number, each.examples) for each in found.left_out} == {
        "hidden or system files": (3, ("._b.png", ".git", "Thumbs.db")),
        "links or devices": (1, ("gone.png",)),
        "files without the suffix of an image": (1, ("notes.txt",)),
    }


def test_version_0_1_0_read_less_and_that_is_said(folder):
    found = find_images(folder, as_first_version=True)
    assert found.names == ("b.PNG",)
    reasons = {each.reason: each.number for each in found.left_out}
    assert reasons["images in folders within class folders"] == 1
    assert reasons["files without the suffix of an image"] == 3


@pytest.mark.parametrize("name", [".DS_Store", "._x.jpg", "Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir", "Icon\r"])
def test_files_of_operating_systems_are_hidden(name):
    assert is_hidden(name)
    assert not is_hidden(f"x{name}")


def test_formats_that_need_other_programs_are_no_images():
    assert image_suffixes() >= {".jpg", ".jfif", ".pgm", ".png", ".tif", ".webp", ".bmp", ".jp2"}
    assert not image_suffixes() & {".eps", ".ps", ".mpg", ".h5", ".wmf", ".pdf", ".txt"}


def test_folders_and_names(folder):
    assert find_folders(folder) == ("deep",)
    assert composed("cafe\u0301") == "caf\u00e9"


def test_a_pipe_is_left_out_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (left,) = find_images(tmp_path).left_out
    assert (left.reason, left.number) == ("links or devices", 1)
