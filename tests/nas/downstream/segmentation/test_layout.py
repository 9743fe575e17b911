"""What is common to the layouts of data sets."""

import numpy as np
import pytest

from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.layout import Layout, pair_files, refuse_sets

LAYOUT = Layout("Set", lambda _: True, lambda *_: None, Classes((1, 2), ("a", "b")), frozenset({0}), {1: (9, 8, 7)})


def counts(*values):
    return np.bincount(values, minlength=256)


def test_only_colours_of_values_that_occur_are_compared():
    LAYOUT.check("mask", counts(0, 1, 2), [0, 0, 0, 9, 8, 7])
    LAYOUT.check("mask", counts(0, 2), [0] * 9)
    LAYOUT.check("mask", counts(1), None)  # without a palette there is nothing to compare
    with pytest.raises(ValueError, match=r"mask must have the palette of Set, \(9, 8, 7\) for 1, got \(0, 0, 0\)"):
        LAYOUT.check("mask", counts(1), [0] * 9)
    with pytest.raises(ValueError, match="mask must hold values of Set, 0 to 2, got 3"):
        LAYOUT.check("mask", counts(3), None)


def test_pairs_need_images_and_masks(tmp_path):
    with pytest.raises(ValueError, match="must hold images of the split, got none"):
        pair_files(tmp_path, [])
    with pytest.raises(ValueError, match=r"a\.jpg must have a mask .*a\.png, got none"):
        pair_files(tmp_path, [(tmp_path / "a.jpg", tmp_path / "a.png")])


def test_sets_are_refused():
    refuse_sets("Set", None)
    with pytest.raises(ValueError, match="are for Pascal VOC's layout, got Set's"):
        refuse_sets("Set", ("train",))
