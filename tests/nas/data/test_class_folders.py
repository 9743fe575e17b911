"""Layouts of class folders: which are read, and what is said of the rest."""

import pytest
from PIL import Image

from nas.data.class_folders import check_same_classes, find_layout, find_test_folder, list_images, named_root
from nas.fidelity import DataSpec


def fill(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / path)
    return root


def spec(root, **settings):
    return DataSpec("image_folder", str(root), **settings)


def reasons(found):
    return {each.reason: each.number for each in found}


def test_imagenet_has_a_flat_folder_test(tmp_path):
    fill(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png", "test/1.png", "test/2.png")
    layout = find_layout(spec(tmp_path))
    assert layout.test == tmp_path / "val" == find_test_folder(tmp_path)
    assert reasons(layout.left_out) == {"images without class folders": 2}


def test_a_second_test_folder_and_other_folders_are_said(tmp_path):
    fill(tmp_path, *(f"{part}/{name}/1.png" for part in ("train", "test", "val", "extra") for name in "ab"))
    layout = find_layout(spec(tmp_path))
    assert layout.test == tmp_path / "test"
    assert reasons(layout.left_out) == {"images of a second test folder": 2, "folders beside train, test and val": 1}


def test_class_folders_without_train_are_split_and_that_is_said(tmp_path):
    layout = find_layout(spec(fill(tmp_path, "a/1.png", "b/1.png", "readme.png")))
    assert (layout.train, layout.test, layout.class_names) == (tmp_path, None, ("a", "b"))
    assert "there are no test images" in layout.notices[0]
    found = list_images(tmp_path, layout.class_names, spec(tmp_path))
    assert reasons(found.left_out) == {"images outside class folders": 1}
    with pytest.raises(ValueError, match=r"with a folder for each class, .*, got neither"):
        find_test_folder(tmp_path)
    with pytest.raises(ValueError, match=r"there is no folder .*/train"):
        find_layout(spec(tmp_path, split="shuffled"))


def test_a_folder_of_data_sets_is_no_data_set(tmp_path):
    fill(tmp_path, "cifar/train/a/1.png", "photos/train/a/1.png")
    with pytest.raises(ValueError, match=r"holds data sets, not classes: name one of its folders, such as .*/cifar"):
        find_layout(spec(tmp_path))
    with pytest.raises(ValueError, match="must have a root"):
        named_root(DataSpec("image_folder"))


def test_classes_may_differ_in_their_unicode_form_between_folders_only(tmp_path):
    fill(tmp_path, "train/caf\u00e9/1.png", "train/b/1.png", "val/cafe\u0301/1.png", "val/b/1.png")
    layout = find_layout(spec(tmp_path))
    assert layout.class_names == ("b", "caf\u00e9")
    assert list_images(layout.test, layout.class_names, spec(tmp_path)).labels.tolist() == [0, 1]
    fill(tmp_path, "train/cafe\u0301/1.png")
    with pytest.raises(ValueError, match="must differ in more than their Unicode form"):
        find_layout(spec(tmp_path))


def test_folders_within_a_class_and_other_suffixes_belong_to_it(tmp_path):
    fill(tmp_path, "train/a/deep/1.png", "train/b/1.pgm", "train/b/2.jfif", "train/b/.3.png")
    (tmp_path / "train/Thumbs.db").write_text("")
    found = list_images(tmp_path / "train", ("a", "b"), spec(tmp_path))
    assert found.files.names == ("a/deep/1.png", "b/1.pgm", "b/2.jfif")
    assert reasons(found.left_out) == {"hidden or system files": 2}
    with pytest.raises(ValueError, match=r"class folder .*/a must hold images, got 1 images in folders within"):
        list_images(tmp_path / "train", ("a", "b"), spec(tmp_path, split="shuffled"))


def test_other_classes_are_refused(tmp_path):
    fill(tmp_path, "val/a/1.png", "val/c/1.png")
    with pytest.raises(ValueError, match="b is missing"):
        check_same_classes(tmp_path / "val", ("a", "b"), spec(tmp_path))


@pytest.mark.parametrize("names", [("Train", "Val"), ("Training", "Testing"), ("training", "validation", "extra")])
def test_folders_of_parts_under_other_names_are_no_classes(tmp_path, names):
    fill(tmp_path, *(f"{part}/{name}/1.png" for part in names for name in "ab"))
    with pytest.raises(ValueError, match=f"must be named train, test, val, or .* must be classes, got .*{names[0]}"):
        find_layout(spec(tmp_path))


def test_a_class_may_be_named_like_a_part(tmp_path):
    layout = find_layout(spec(fill(tmp_path, "Train/1.png", "Bus/1.png")))
    assert layout.class_names == ("Bus", "Train")
