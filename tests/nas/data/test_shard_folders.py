"""Data sets in tar shards: layouts, labels, and what is refused."""

import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from nas.data import shard_folders
from nas.data.image_folder import load_image_folder
from nas.data.load import load_data
from nas.data.shard_folders import find_shards, list_sharded, list_sharded_test
from nas.data.streamed_folder import load_streamed_test
from nas.fidelity import DataSpec


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def shard(path, members):
    """Writes pairs of a number and a label, of which the red level is ten times the number; other members as given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, value in members.items():
            content = (
                {f"{name}.json": b"{}", f"{name}.cls": str(value).encode()} if isinstance(name, int) else {name: value}
            )
            if isinstance(name, int):
                image = io.BytesIO()
                Image.new("RGB", (12, 10), (10 * name, 100, 50)).save(image, "PNG")
                content[f"{name}.png"] = image.getvalue()
            for each, data in content.items():
                member = tarfile.TarInfo(each)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "shards"
    for number in range(3):
        shard(root / f"train/{number:03}.tar", {each: each % 2 for each in range(8 * number, 8 * number + 8)})
    shard(root / "val/000.tar", {1: 1, 2: 0, 3: 1})
    shard(root / "test/000.tar", {"x.png": b""})
    return root


def spec(root, **settings):
    return DataSpec("image_folder", str(root), image_size=8, streamed=True, statistics="imagenet", **settings)


def test_images_are_read_from_their_places_in_the_shards(root):
    data = load_data(spec(root, validation_fraction=0.25))
    assert (len(data.train), len(data.validation), data.class_names) == (18, 6, ("0", "1"))
    seen = {}
    for split in (data.train, data.validation):
        for place in range(len(split)):
            seen[int(split.image(place)[0, 0, 0]) // 10] = int(split.labels[place])
    assert seen == {number: number % 2 for number in range(24)}
    test = data.load_test()
    assert test.images[:][:, 0, 0, 0].tolist() == [10, 20, 30]
    assert test.labels.tolist() == [1, 0, 1]
    assert isinstance(data.train.photographs.names.base, np.memmap)


def test_what_is_used_and_left_out_is_said(root):
    report = load_data(spec(root)).report
    assert report.counts["used"]["test images"] == 3
    left_out = {each["reason"]: (each["number"], each["examples"][0]) for each in report.counts["left_out"]}
    assert left_out == {
        "files without the suffix of an image": (27, "train/000.tar/0.json"),
        "shards without labels": (1, "000.tar"),
    }
    assert load_streamed_test(spec(root), ("0", "1")).report.counts["used"] == {"test images": 3}
    assert set(report.complete.folders) == {f"train/00{number}.tar" for number in range(3)} | {"val/000.tar"}


def test_the_index_is_built_once_until_a_shard_changes(root, cache, monkeypatch):
    first = load_data(spec(root))
    read = []
    reader = shard_folders.read_shard
    monkeypatch.setattr(shard_folders, "read_shard", lambda path, **given: read.append(path) or reader(path, **given))
    assert load_data(spec(root)).report == first.report
    assert read == []
    shard(root / "val/000.tar", {1: 1, 2: 0, 3: 1, 4: 0})
    assert len(load_data(spec(root)).load_test()) == 4
    assert read == [root / "val/000.tar"]
    for path in (cache / "indexes").glob("*.json"):
        path.unlink()
    load_data(spec(root))
    assert len(read) == 5


def test_shards_of_one_folder_are_told_apart_by_their_names(tmp_path):
    folder = tmp_path / "shards"
    shard(folder / "imagenet-train-00.tar", {0: "cat", 1: "dog", 2: "cat", 3: "dog"})
    shard(folder / "imagenet-validation-00.tar", {4: 1, 5: "cat"})  # a number in the order of the names
    shard(folder / "training-notes.tar", {})
    found = find_shards(folder)
    assert {part: each.names for part, each in found.items()} == {
        "train": ("imagenet-train-00.tar",),
        "validation": ("imagenet-validation-00.tar",),
        "": ("training-notes.tar",),
    }
    layout, train, test = list_sharded(folder, found)
    assert layout.class_names == ("cat", "dog")
    assert [str(each) for each in layout.left_out] == ["1 shards of no known part (training-notes.tar)"]
    assert train.labels.tolist() == [0, 1, 0, 1]
    assert test.labels.tolist() == [1, 0]
    assert list_sharded_test(folder, found, ("cat", "dog")).labels.tolist() == [1, 0]


def test_shards_without_a_part_are_all_for_training(tmp_path):
    shard(tmp_path / "shards/00.tar", {0: 0, 1: 1, 2: 0, 3: 1})
    data = load_data(spec(tmp_path / "shards"))
    assert "there are no test images" in data.report.notices[0]
    with pytest.raises(ValueError, match="must have shards of test images with labels"):
        data.load_test()


def test_folders_of_classes_are_no_shards(tmp_path, root):
    (root / "train/n01").mkdir()
    assert find_shards(root) is None
    assert find_shards(tmp_path) is None
    assert find_shards(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        ({0: 0, 1: 2}, {0: 0, 1: 2}, r"train must hold images of each class from 0 to 2, class 1 has none"),
        ({0: 0, 1: 1}, {0: 0, 1: 0}, r"val must hold images of each class, 1 has none"),
        ({0: 0, 1: 1}, {0: 0, 1: 2}, r"numbers from 0 to 1, got '2'"),
        ({0: "a", 1: "b"}, {0: "a", 1: "c"}, r"names of classes for training, .* got 'c'"),
        ({"n01.tar": b"x"}, {0: 0}, r"must hold images with labels, .* got none; other archives must be unpacked"),
        (
            {0: 0, 1: 1, "x.png": b"1"},
            {0: 0, 1: 1},
            r"train/0\.tar must hold a label, .* 1 of 3 have none, e\.g\. x\.png",
        ),
    ],
)
def test_classes_that_do_not_fit_are_refused(tmp_path, train, val, message):
    shard(tmp_path / "train/0.tar", train)
    shard(tmp_path / "val/0.tar", val)
    with pytest.raises(ValueError, match=message):
        load_data(spec(tmp_path))


def test_a_damaged_image_is_named_with_its_shard(root):
    content = (root / "train/001.tar").read_bytes()
    (root / "train/001.tar").write_bytes(content.replace(b"IDAT", b"JUNK"))
    data = load_data(spec(root))
    places = [place for place in range(len(data.train)) if data.train.photographs.path(place).name == "001.tar"]
    with pytest.raises(ValueError, match=r"train/001\.tar, member \d+\.png is not an image that can be decoded"):
        data.train.image(places[0])
    (root / "train/001.tar").write_bytes(content[:600])
    with pytest.raises(ValueError, match=r"001\.tar, member .* bytes, of which 0 are there"):
        data.train.image(places[-1])


def test_shards_must_be_streamed(root):
    with pytest.raises(ValueError, match=r"are in tar shards, which need data\.streamed: true"):
        load_image_folder(DataSpec("image_folder", str(root), image_size=8))


def test_files_beside_shards_are_said_to_be_left_out(root):
    for name in ("003.tar.gz", "004.TAR", ".DS_Store"):
        (root / "train" / name).write_bytes(b"")
    layout, _, _ = list_sharded(root, find_shards(root))
    counts = {each.reason: each.number for each in layout.left_out}
    assert counts["files or folders beside shards"] == 2
    assert counts["hidden or system files"] == 1


def test_shards_replaced_by_others_of_equal_size_and_time_are_read_anew(root, tmp_path):
    before = list_sharded(root, find_shards(root))[1]
    path = root / "train/000.tar"
    time = path.stat().st_mtime_ns
    shard(path, {each: 1 - each % 2 for each in range(8)})
    os.utime(path, ns=(time, time))
    after = list_sharded(root, find_shards(root))[1]
    assert before.labels[:8].tolist() == [0, 1] * 4
    assert after.labels[:8].tolist() == [1, 0] * 4
