"""Identity of images: what makes it differ, and how a difference is told."""

import json

import numpy as np
import pytest

from nas.data import identity
from nas.data.identity import Identity, copies_in_training, identify_arrays, identify_files, merge, shorten

FILES = {"train/cat/1.png": (10, "a"), "train/cat/2.png": (10, "b"), "train/dog/1.png": (10, "c")}


def test_json_keeps_everything():
    found = identify_files(FILES)
    assert Identity.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.folders["train/cat"].num_files == 2
    with pytest.raises(ValueError, match="it does not identify images"):
        Identity.from_json({"folders": 3})


def test_added_gone_and_changed_files_are_named():
    now = {"train/cat/1.png": (10, "x"), "train/dog/1.png": (10, "c"), "train/dog/2.png": (10, "d")}
    assert identify_files(FILES).differences(identify_files(now)) == [
        "1 file added (train/dog/2.png)",
        "1 file gone (train/cat/2.png)",
        "1 file changed (train/cat/1.png)",
    ]
    assert identify_files(FILES).differences(identify_files(dict(reversed(FILES.items())))) == []


def test_of_many_files_only_folders_are_kept(monkeypatch):
    few = identify_files(FILES)
    monkeypatch.setattr(identity, "MAX_FILES", 2)
    many = identify_files({**FILES, "train/dog/2.png": (10, "d")})
    assert many.files is None
    assert few.differences(many) == ["1 folder changed (train/dog)"]


def test_unicode_forms_of_a_name_are_the_same():
    composed, decomposed = ({f"{name}.png": (1, "a")} for name in ("caf\u00e9", "cafe\u0301"))
    assert identify_files(composed).fingerprint == identify_files(decomposed).fingerprint
    assert identify_files({**composed, **decomposed}).folders["."].num_files == 2


def test_arrays_are_identified_by_values_type_and_shape():
    array = np.arange(8)
    found = {
        identify_arrays("train", [each]).fingerprint for each in (array, array + 1, array.astype(float), array[:, None])
    }
    assert len(found) == 4
    assert identify_arrays("train", [array]).fingerprint in found


def test_parts_are_merged():
    parts = [identify_files({name: digest}) for name, digest in (*FILES.items(), ("test/1.png", (1, "t")))]
    assert merge([None, parts[0], parts[3]]).files == {"train/cat/1.png": (10, "a"), "test/1.png": (1, "t")}
    assert merge([parts[0], identify_arrays("train", [np.zeros(1)])]).files is None
    assert shorten("abcde") == "a, b, c and 2 more"


def test_copies_are_found_by_content_not_by_name():
    trained, tested = {"a": (1, "x"), "b": (1, "y")}, {"a": (1, "z"), "c": (1, "y")}
    (notice,) = copies_in_training(trained, tested, "test images")
    assert notice == "1 test images have an identical copy in training (c)"
    assert copies_in_training(trained, {}, "test images") == []
