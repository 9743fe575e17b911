"""Image folders that are read without decoding them."""

import numpy as np
import pytest
from PIL import Image

from nas.data import streamed_folder
from nas.data.load import load_data
from nas.data.photograph_split import PhotographSplit
from nas.data.streamed_folder import load_streamed_folder, load_streamed_test
from nas.fidelity import DataSpec


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "imagenet"
    for number in range(20):
        path = root / "train" / f"n0{number % 2}" / f"{'sub/' * (number == 4)}{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 10), (200, 100, 50)).save(path)
    (root / "val").mkdir()
    (root / "test").mkdir()
    for number in range(3):
        Image.new("RGB", (12, 10)).save(root / "val" / f"v{number}.JPEG")
        Image.new("RGB", (12, 10)).save(root / "test" / f"t{number}.JPEG")
    (root / "val.txt").write_text("v0.JPEG 1\nv1.JPEG 0\nv2.JPEG 1\n")
    return root


def spec(root, **settings):
    return DataSpec("image_folder", str(root), image_size=8, streamed=True, **settings)


def test_names_labels_and_splits(root):
    data = load_data(spec(root, validation_fraction=0.2))
    assert isinstance(data.train, PhotographSplit)
    assert (len(data.train) + len(data.validation), data.image_size, data.class_names) == (20, (8, 8), ("n00", "n01"))
    names = {
        split.photographs.path(place).relative_to(root / "train").as_posix(): split.labels[place]
        for split in (data.train, data.validation)
        for place in range(len(split))
    }
    assert len(names) == 20
    assert "n00/sub/4.JPEG" in names
    assert all(name.startswith(f"n0{label}/") for name, label in names.items())
    assert data.mean == pytest.approx((200 / 255, 100 / 255, 50 / 255), abs=0.01)


def test_the_flat_folder_of_imagenet_has_the_labels_of_its_list(root):
    data = load_data(spec(root))
    assert data.load_test().labels.tolist() == [1, 0, 1]
    assert data.load_test().images.shape == (3, 3, 8, 8)
    assert data.report.counts["used"]["test images"] == 3
    assert {each["reason"]: each["number"] for each in data.report.counts["left_out"]} == {
        "images without class folders": 3
    }
    squares = load_data(DataSpec("image_folder", str(root), image_size=8))
    assert squares.load_test().labels.tolist() == [1, 0, 1]
    (root / "val.txt").write_text("v0.JPEG 1\n")
    with pytest.raises(ValueError, match="2 have none"):
        load_streamed_test(spec(root), ("n00", "n01"))


def test_the_archive_of_kaggle_is_read_from_its_top(root, tmp_path):
    top = tmp_path / "kaggle"
    (top / "ILSVRC/Data").mkdir(parents=True)
    (root / "val.txt").unlink()
    root.rename(top / "ILSVRC/Data/CLS-LOC")
    (top / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nv0,n01 1 2 3 4\nv1,n00 1 2 3 4\nv2,n00 1\n")
    data = load_data(spec(top))
    assert data.load_test().labels.tolist() == [1, 0, 0]
    assert data.report.counts["used"]["test images"] == 3


def test_nothing_is_decoded_with_the_constants_of_imagenet(root, monkeypatch):
    monkeypatch.setattr("nas.data.photograph_split.decode_crop", lambda *_: pytest.fail("decoded"))
    data = load_data(spec(root, statistics="imagenet"))
    assert (data.mean, data.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_statistics_are_counted_once_and_kept_until_a_photograph_changes(root, monkeypatch):
    data = load_data(spec(root))
    decoded = []
    decode = streamed_folder.PhotographSplit.image
    monkeypatch.setattr(PhotographSplit, "image", lambda *given: decoded.append(given[1]) or decode(*given))
    assert load_data(spec(root)).mean == data.mean
    assert decoded == []
    for path in (root / "train").rglob("*.JPEG"):
        Image.new("RGB", (12, 10), (100, 100, 50)).save(path)
    assert load_data(spec(root)).mean[0] == pytest.approx(100 / 255, abs=0.01)
    assert len(decoded) == len(data.train)


def test_damaged_photographs_do_not_count_where_they_are_skipped(root):
    load_data(spec(root)).train.photographs.path(0).write_bytes(b"")
    assert load_data(spec(root, damaged="skip")).mean[0] == pytest.approx(200 / 255, abs=0.01)
    with pytest.raises(ValueError, match=r"JPEG is not an image"):
        load_data(spec(root))


def test_the_constants_of_imagenet_serve_decoded_squares_too(root):
    data = load_data(DataSpec("image_folder", str(root), image_size=8, statistics="imagenet"))
    assert data.mean == (0.485, 0.456, 0.406)
    with pytest.raises(ValueError, match="needs images of 3 channels, got 1"):
        load_data(DataSpec(statistics="imagenet"))


def test_the_index_is_one_file_that_is_mapped(root, cache):
    data = load_data(spec(root))
    (index,) = [path for path in (cache / "indexes").iterdir() if b"n01/" in path.read_bytes()]
    assert isinstance(data.train.photographs.names, np.memmap)
    before = index.stat().st_mtime_ns
    load_data(spec(root))
    assert index.stat().st_mtime_ns == before


def test_an_index_without_room_is_one_line(root, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match=r"the index of 20 photographs, .* cannot be kept at .* set NAS_CACHE"):
        load_data(spec(root))


def test_the_identity_follows_names_sizes_and_labels(root):
    first = load_data(spec(root)).report.complete
    assert load_data(spec(root)).report.complete == first
    (root / "val.txt").write_text("v0.JPEG 1\nv1.JPEG 1\nv2.JPEG 1\n")
    relabelled = load_data(spec(root)).report.complete
    assert relabelled.fingerprint != first.fingerprint
    Image.new("RGB", (99, 99)).save(root / "train/n00/0.JPEG")
    now = load_data(spec(root)).report.complete
    assert relabelled.differences(now) == ["1 file changed (train/n00/0.JPEG)"]


def test_bad_folders_are_refused(root):
    (root / "train/n02").mkdir()
    with pytest.raises(ValueError, match=r"the class folder .*n02 must hold images"):
        load_streamed_folder(spec(root))


@pytest.mark.parametrize(
    "settings", [{"name": "digits"}, {"on_disk": True}, {"image_size": None}], ids=lambda each: next(iter(each))
)
def test_settings_that_do_not_go_together_are_refused(settings):
    with pytest.raises(ValueError, match="streamed needs the data set image_folder"):
        DataSpec(**{"name": "image_folder", "image_size": 8, "streamed": True, **settings})
    with pytest.raises(ValueError, match="damaged: skip needs streamed"):
        DataSpec(damaged="skip")
