import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from nas.data.image_folder import load_image_folder
from nas.fidelity import DataSpec


def save(path, value, width=8, height=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    """Two classes: images of cats are dark and those of dogs are bright."""
    for index in range(10):
        save(tmp_path / "data/train/cat" / f"{index}.png", index)
        save(tmp_path / "data/train/dog" / f"{index}.PNG", 200 + index)
    save(tmp_path / "data/val/cat/0.png", 50)
    save(tmp_path / "data/val/dog/0.png", 250)
    (tmp_path / "data/train/cat/notes.txt").write_text("no image")
    (tmp_path / "data/train/cat/.hidden.png").write_text("no image")
    (tmp_path / "data/train/.hidden").mkdir()
    return tmp_path / "data"


def load(root, **settings):
    return load_image_folder(DataSpec("image_folder", root=str(root), **settings))


def test_folders_are_classes_in_order_of_their_names(root):
    data = load(root)
    assert data.class_names == ("cat", "dog")
    assert (len(data.train) + len(data.validation), len(data.load_test())) == (20, 2)
    for split in (data.train, data.validation, data.load_test()):
        assert split.images.shape[1:] == (3, 8, 8)
        assert np.array_equal(split.images[:, 0, 0, 0] >= 200, split.labels == 1)
    assert set(data.load_test().images[:, 0, 0, 0]) == {50, 250}


def test_a_folder_named_test_goes_before_one_named_val(root):
    shutil.copytree(root / "val", root / "test")
    save(root / "test/cat/0.png", 51)
    assert set(load(root).load_test().images[:, 0, 0, 0]) == {51, 250}


def test_the_test_images_are_not_decoded_before_they_are_asked_for(root):
    (root / "val/cat/0.png").write_bytes(b"no image")
    data = load(root)
    with pytest.raises(ValueError, match=r"val/cat/0\.png is not an image"):
        data.load_test()


def test_without_a_test_folder_only_the_test_is_missing(root):
    shutil.rmtree(root / "val")
    data = load(root)
    with pytest.raises(
        ValueError,
        match=r"there must be a folder of test images, .*/test or .*/val, with a folder for each .*, got neither",
    ):
        data.load_test()


def test_subsets_and_sizes(root):
    data = load(root, num_train=10, validation_fraction=0.2, image_size=16)
    assert data.train.images.shape[1:] == (3, 16, 16)
    assert (len(data.train) + len(data.validation), data.report.used["training images"]) == (10, len(data.train))
    assert data.load_test().images.shape == (2, 3, 16, 16)


def test_progress_is_told(root):
    calls = []
    spec = DataSpec("image_folder", root=str(root))
    load_image_folder(spec, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(20, 20)]


def break_class(root):
    shutil.rmtree(root / "train/dog")
    (root / "train/dog").mkdir()


def break_file(root):
    path = root / "train/dog/3.jpg"
    save(path, 3)
    path.write_bytes(path.read_bytes()[:-20])


def make_oblong(root):
    for path in (root / "train").glob("*/*"):
        if path.suffix in {".png", ".PNG"}:
            save(path, 0, width=10)


def make_empty(root):
    shutil.rmtree(root / "train")
    (root / "train").mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, r"there is no folder .*/data$"),
        (lambda root: shutil.rmtree(root / "train"), r"there is no folder .*/data/train$"),
        (make_empty, r"data/train must hold a folder for each class, got none"),
        (break_class, r"class folder .*train/dog must hold images, got none"),
        (break_file, r"train/dog/3\.jpg is not an image that can be decoded"),
        (make_oblong, r"images must be squares.* got 10 x 8 pixels"),
        (lambda root: save(root / "train/dog/3.PNG", 0, width=9, height=9), r"3\.PNG is 9 x 9"),
        (lambda root: shutil.rmtree(root / "val/dog"), r"val must hold the classes .* dog is missing"),
        (lambda root: (root / "val/dog/0.png").unlink(), r"class folder .*val/dog must hold images"),
        (lambda root: save(root / "val/emu/0.png", 0), r"val holds emu, which the training folder does not"),
    ],
)
def test_a_folder_that_is_not_in_order_is_refused_by_name(root, damage, message):
    damage(root)
    with pytest.raises(ValueError, match=message):
        load(root)


def test_a_root_is_needed():
    with pytest.raises(ValueError, match="must have a root"):
        load_image_folder(DataSpec("image_folder"))


def test_real_images_of_cifar10(real_data, tmp_path):
    for part, num_images in (("train", 6), ("test", 2)):
        for class_folder in (real_data / "cifar10" / part).iterdir():
            (tmp_path / part / class_folder.name).mkdir(parents=True)
            for path in sorted(class_folder.iterdir())[:num_images]:
                (tmp_path / part / class_folder.name / path.name).symlink_to(path)
    data = load(tmp_path, validation_fraction=0.2)
    assert (len(data.train) + len(data.validation), data.train.images.shape[1:]) == (60, (3, 32, 32))
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    assert all(0.3 < mean < 0.7 for mean in data.mean)
    assert len(data.load_test()) == 20


def test_images_may_stay_on_disk_each_split_in_an_entry_of_its_own(root):
    spec = DataSpec("image_folder", str(root), image_size=8, validation_fraction=0.25, on_disk=True)
    on_disk = load_image_folder(spec)
    in_memory = load_image_folder(dataclasses.replace(spec, on_disk=False))
    for part in ("train", "validation"):
        lazy, whole = getattr(on_disk, part), getattr(in_memory, part)
        assert isinstance(lazy.images, np.memmap)
        assert np.array_equal(lazy.images, whole.images)
        assert np.array_equal(lazy.labels, whole.labels)
    assert (on_disk.mean, on_disk.std) == (in_memory.mean, in_memory.std)
    assert np.array_equal(on_disk.load_test().images, in_memory.load_test().images)
    with pytest.raises(ValueError, match=r"data\.image_size must be set"):
        load_image_folder(dataclasses.replace(spec, image_size=None))


def test_what_is_used_and_left_out_is_reported_with_an_identity(root):
    report = load(root).report
    used = report.used
    assert (used["training images"] + used["validation images"], used["test images"]) == (20, 2)
    assert {each.reason: (each.number, each.examples) for each in report.left_out} == {
        "hidden or system files": (2, ("train/.hidden", "train/cat/.hidden.png")),
        "files without the suffix of an image": (1, ("train/cat/notes.txt",)),
    }
    names = {f"train/{name}/{i}.{s}" for name, s in (("cat", "png"), ("dog", "PNG")) for i in range(10)}
    assert report.identity.files.keys() == names
    assert report.tested.files.keys() == {"val/cat/0.png", "val/dog/0.png"}
    moved = root.rename(root.with_name("elsewhere"))
    assert load(moved).report.complete == report.complete
    save(moved / "train/cat/0.png", 99)
    assert report.complete.differences(load(moved).report.complete) == ["1 file changed (train/cat/0.png)"]


def test_images_that_are_not_drawn_and_copies_across_the_split_are_said(root):
    for index in range(10, 30):
        save(root / "train/cat" / f"{index}.png", 7)
    report = load(root, num_train=20).report
    left = next(each for each in report.left_out if each.reason == "images that num_train leaves out")
    assert left.number == 20
    (notice,) = load(root, validation_fraction=0.5).report.notices
    assert "validation images have an identical copy in training (cat/" in notice


def test_class_folders_without_train_have_a_split_of_their_own(root):
    whole = load(root / "train")
    assert len(whole.train) + len(whole.validation) == 20
    assert whole.report.used.keys() == {"training images", "validation images"}
    assert "has no folder train" in whole.report.notices[0]
    with pytest.raises(ValueError, match="there must be a folder of test images"):
        whole.load_test()


def test_one_class_is_refused(root):
    shutil.rmtree(root / "train/dog")
    shutil.rmtree(root / "val/dog")
    with pytest.raises(ValueError, match="at least 2 classes, got cat"):
        load(root)


def test_added_images_stay_in_the_split_of_their_names(root):
    """The values of the pixels tell the images apart."""
    before = load(root, validation_fraction=0.3)
    for index in range(100, 140):
        save(root / "train/cat" / f"{index}.png", index)
    after = load(root, validation_fraction=0.3)
    now = [set(split.images[:, 0, 0, 0].tolist()) for split in (after.train, after.validation)]
    assert set(before.train.images[:, 0, 0, 0].tolist()) <= now[0]
    assert set(before.validation.images[:, 0, 0, 0].tolist()) <= now[1]


def test_copies_in_another_class_and_in_the_test_are_counted(root):
    shutil.copy(root / "train/cat/1.png", root / "train/dog/cat.png")
    shutil.copy(root / "train/cat/2.png", root / "val/cat/new.png")
    notices = load(root).report.notices
    assert "1 images have an identical copy in another class (dog/cat.png)" in notices
    assert "1 test images have an identical copy in training (val/cat/new.png)" in notices


def test_a_list_of_labels_is_named_and_part_of_the_identity(root):
    for name in ("cat", "dog"):
        shutil.move(root / "val" / name / "0.png", root / "val" / f"{name}.png")
        (root / "val" / name).rmdir()
    labels = root / "val/val.txt"
    labels.write_text("cat.png cat\ndog.png dog\n")
    before = load(root).report
    assert f"the labels of the test images are those of {labels}" in before.notices
    labels.write_text("cat.png dog\ndog.png cat\n")
    assert before.tested.differences(load(root).report.tested) == ["1 file changed (val/val.txt)"]
