"""Labels of a flat folder of images: each form of list, and lists that do not fit."""

import numpy as np
import pytest
from scipy.io import savemat

from nas.data.formats.label_lists import GROUND_TRUTH, KAGGLE, META, TEXT, find_label_list, read_label_list

NAMES = ("val_1.JPEG", "val_2.JPEG", "val_3.JPEG")
CLASSES = ("n01", "n02", "n03")


def written(folder, name, text):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("text", ["val_3.JPEG 0\nval_1.JPEG 2\n\nval_2.JPEG 1\n", "val_3 n01\nval_1 n03\nval_2 n02"])
def test_lines_of_a_name_and_a_class(tmp_path, text):
    assert read_label_list(written(tmp_path, TEXT, text), NAMES, CLASSES) == [2, 1, 0]


def test_the_list_of_kaggle(tmp_path):
    text = "ImageId,PredictionString\nval_2,n03 1 2 3 4 n03 5 6 7 8 \nval_1,n01 85 1 499 272\nval_3,n02 1 2 3 4\n"
    assert read_label_list(written(tmp_path, KAGGLE, text), NAMES, CLASSES) == [0, 2, 1]


def save_meta(folder):
    synsets = np.array([(1, "n03", "dog"), (2, "n01", "cat"), (3, "n02", "ox")], dtype=object)
    synsets = np.array([tuple(each) for each in synsets], dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")])
    savemat(folder / META, {"synsets": synsets})


def test_the_ground_truth_of_the_development_kit_numbers_classes_in_its_own_order(tmp_path):
    path = written(tmp_path, GROUND_TRUTH, "1\n2\n3\n")
    save_meta(tmp_path)
    assert read_label_list(path, NAMES, CLASSES) == [2, 0, 1]
    path.write_text("1\n2\n")
    with pytest.raises(ValueError, match="a label for every image, 3, got 2"):
        read_label_list(path, NAMES, CLASSES)
    path.write_text("1\n2\n7\n")
    with pytest.raises(ValueError, match=r"line 3: '7' must be the number of a class .* none of meta.mat"):
        read_label_list(path, NAMES, CLASSES)
    (tmp_path / META).write_bytes(b"no matrix")
    with pytest.raises(ValueError, match=r"is not the meta.mat"):
        read_label_list(path, NAMES, CLASSES)
    (tmp_path / META).unlink()
    with pytest.raises(ValueError, match=r"needs meta.mat"):
        read_label_list(path, NAMES, CLASSES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val_1 0\nval_2 1", r"1 have none, e.g. val_3.JPEG"),
        ("val_1 0\nval_2 1\nval_3 2\nval_4 2", "labels of 1 images that are missing, e.g. val_4"),
        ("val_1 3", "entry 1: labels must all be class folders, or all numbers from 0 to 2, got '3'"),
        ("val_1 n09", "got 'n09'"),
        ("val_1 n01\nval_2 1\nval_3 n02", "entry 2: labels must all be class folders, or all numbers .* got '1'"),
        ("val_1 0\nval_2 1\nval_3 2\nval_1 2", "entry 4: val_1 must have one label, got '2' after another"),
        ("val_1", "line 1: it must hold a file name and a label"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_label_list(written(tmp_path, TEXT, text), NAMES, CLASSES)


def test_lists_are_found_in_and_beside_the_folder(tmp_path):
    images = tmp_path / "val"
    images.mkdir()
    assert find_label_list(tmp_path, images) is None
    devkit = written(tmp_path, f"ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}", "")
    assert find_label_list(tmp_path, images) == devkit
    beside = written(tmp_path, TEXT, "")
    assert find_label_list(tmp_path, images) == beside
    assert find_label_list(tmp_path, images) != written(images, TEXT, "")
    assert find_label_list(tmp_path, images) == images / TEXT
    assert find_label_list(tmp_path, tmp_path / "test") is None


def test_numbers_may_be_padded_and_a_line_repeated(tmp_path):
    text = "val_1 02\nval_2 1\nval_3 0\nval_1 02"
    assert read_label_list(written(tmp_path, TEXT, text), NAMES, CLASSES) == [2, 1, 0]


def test_class_folders_named_by_numbers_are_names_in_all_lines(tmp_path):
    path = written(tmp_path, TEXT, "val_1 10\nval_2 1\nval_3 2")
    assert read_label_list(path, NAMES, ("1", "10", "2")) == [1, 0, 2]
    path.write_text("val_1 0\nval_2 1\nval_3 2")  # numbers from 0: 1 and 2 would be taken for names
    with pytest.raises(ValueError, match="got '0'"):
        read_label_list(path, NAMES, ("1", "10", "2"))


def test_two_images_of_one_name_share_no_label(tmp_path):
    path = written(tmp_path, TEXT, "val_1 0")
    with pytest.raises(ValueError, match="names of their own, got several named val_1"):
        read_label_list(path, ("a/val_1.png", "b/val_1.png"), CLASSES)
