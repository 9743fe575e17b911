"""Pairs of image and mask: what is found in folders, and what is left out."""

import pytest
from PIL import Image

from nas.downstream.segmentation.pairs import find_pairs


@pytest.fixture
def save(tmp_path):
    def call(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(tmp_path / path)
        return tmp_path

    return call


def test_images_of_all_formats_in_all_folders_are_paired_by_name(save):
    root = save(
        *("train/a.jfif", "train/city/b.pgm", "train/._a.jpg", "train/caf\u00e9.png"),
        *(f"semantic/train/{name}.png" for name in ("a", "city/b", "alone", "cafe\u0301")),
    )
    (root / "train/notes.txt").write_text("")
    found = find_pairs(root, "train")
    assert [pair.image.relative_to(root / "train").as_posix() for pair in found.pairs] == [
        *("a.jfif", "caf\u00e9.png", "city/b.pgm"),
    ]
    assert all(pair.mask.is_file() for pair in found.pairs)
    assert {each.reason: (each.number, each.examples) for each in found.left_out} == {
        "hidden or system files": (1, ("train/._a.jpg",)),
        "files without the suffix of an image": (1, ("train/notes.txt",)),
        "masks without an image": (1, ("semantic/train/alone.png",)),
    }


def test_two_images_of_one_mask_and_an_image_without_are_refused(save):
    root = save("train/a.png", "train/b.png", "semantic/train/a.png")
    with pytest.raises(ValueError, match=r"train/b.png must have a mask .*semantic/train/b.png, got none"):
        find_pairs(root, "train")
    save("train/a.jpg")
    with pytest.raises(ValueError, match="must be of one image, got several named a in"):
        find_pairs(root, "train")
