"""Photographs whose red level is ten times their number."""

import numpy as np
import pytest
from PIL import Image

from nas.data.data_set import DataSet
from nas.data.photograph_split import Photographs, PhotographSplit

NUM_PHOTOGRAPHS = 20


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(NUM_PHOTOGRAPHS):
        Image.new("RGB", (16, 12), (10 * number, 50, 200)).save(folder / f"{number}.png")
    return folder


def split_of(folder, number=NUM_PHOTOGRAPHS, *, skip_damaged=False):
    names = np.array([f"{place}.png".encode() for place in range(number)])
    photographs = Photographs(folder, names, np.arange(number), 8, 8)
    return PhotographSplit(photographs, np.arange(number) % 2, skip_damaged)


@pytest.fixture
def split(folder):
    return split_of(folder)


@pytest.fixture
def data(split):
    return DataSet(split, split, lambda: split, ("a", "b"), (0.0,) * 3, (1 / 255,) * 3)


@pytest.fixture
def damaged(folder, tmp_path):
    """Returns a function that builds a split of which photographs 1 and 2 are damaged."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 40 if path.stem in {"1", "2"} else None])
    return lambda *, skip: split_of(tmp_path, skip_damaged=skip)
