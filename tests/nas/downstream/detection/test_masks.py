import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as library

from nas.downstream.detection.masks import decode_mask, encode_masks, encode_segmentation

SQUARE = [2, 1, 6, 1, 6, 4, 2, 4]


def encode(value, height=8, width=10):
    return encode_segmentation(value, height, width)


def test_a_polygon_covers_its_inside():
    mask = decode_mask(encode([SQUARE]), 8, 10)
    assert mask.shape == (8, 10)
    assert mask[1:4, 2:6].all()
    assert mask.sum() == 12


def test_polygons_are_joined():
    mask = decode_mask(encode([SQUARE, [7, 5, 9, 5, 9, 7, 7, 7]]), 8, 10)
    assert mask.sum() == 12 + 4


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(0, 2**31))
def test_run_lengths_come_back_from_lists_and_texts(height, width, seed):
    mask = np.asfortranarray(np.random.default_rng(seed).integers(0, 2, (height, width), dtype=np.uint8))
    text = library.encode(mask)["counts"].decode()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.flatten("F"), [2]])))
    counts = np.diff(np.concatenate([[0], edges])).tolist()
    for value in (text, counts):
        encoded = encode({"size": [height, width], "counts": value}, height, width)
        assert np.array_equal(decode_mask(encoded, height, width), mask)


def test_masks_of_a_network_are_encoded_as_the_library_reads_them():
    masks = torch.zeros(2, 8, 10, dtype=torch.bool)
    masks[1, 1:4, 2:6] = True
    counts = [each.encode() for each in encode_masks(masks)]
    assert decode_mask(counts[0], 8, 10).sum() == 0
    assert np.array_equal(decode_mask(counts[1], 8, 10), masks[1].numpy())
    assert encode_masks(torch.zeros(0, 8, 10)) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", "must be a list of polygons or an object of run lengths, got 'text'"),
        ([], "must have a polygon, got none"),
        ([[1, 2, 3, 4]], r"three or more pairs x, y, got \[1, 2, 3, 4\]"),
        ([SQUARE[:-1]], "three or more pairs"),
        ([SQUARE, 3], "three or more pairs x, y, got 3"),
        ([[*SQUARE[:-1], "4"]], "must be lists of numbers"),
        ([[*SQUARE[:-1], True]], "must be lists of numbers"),
        ([[11, 1, 14, 1, 12, 4]], "must have a part within 10 x 8 pixels"),
        ([[2, -4, 6, -4, 6, 0]], "must have a part within 10 x 8 pixels"),
        ([[2, 1, 70_000, 1, 6, 4]], "must have coordinates up to 65535"),
        ({"size": [10, 8], "counts": [80]}, r"must have the size \[8, 10\] of the image, got \[10, 8\]"),
        ({"counts": [80]}, "of the image, got None"),
        ({"size": [8, 10], "counts": [79]}, "must add up to 80 pixels, got 79"),
        ({"size": [8, 10], "counts": [90, -10]}, "must add up to 80 pixels"),
        ({"size": [8, 10], "counts": [80.0]}, "must be whole numbers or text"),
        ({"size": [8, 10], "counts": None}, "must be whole numbers or text"),
        ({"size": [8, 10], "counts": "é"}, "must be compressed run lengths"),
        ({"size": [8, 10], "counts": "0P"}, "must end with a whole number, got '0P'"),
        ({"size": [8, 10], "counts": "oooo7"}, "must add up to 80 pixels"),
    ],
)
def test_what_is_no_mask_of_the_image_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        encode(value)


def test_a_polygon_over_the_edge_is_clipped():
    mask = decode_mask(encode([[6, -3, 14, -3, 14, 4, 6, 4]]), 8, 10)
    assert mask[:4, 6:].all()
    assert mask.sum() == 16


def test_a_missing_library_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(RuntimeError, match=r"needs the package pycocotools: pip install 'nas-engine\[detection\]'"):
        encode([SQUARE])
