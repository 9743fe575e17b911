"""What the tests on a GPU share: images that brightness tells apart, and a small network with all that is random.

The tests need no Ray and no data: ``pytest -m gpu tests/gpu``. Without a CUDA device they are skipped.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.fidelity import NetworkSpec
from nas.models.network import build_network

SPEC = NetworkSpec(
    num_classes=2, image_size=16, num_filters=8, num_repeats=1, num_stages=2, auxiliary=True, drop_path=0.1, dropout=0.1
)
_BLOCKS = (
    Block(Edge(0, "sep_conv_3x3"), Edge(1, "conv_1x3_3x1")),
    Block(Edge(2, "avg_pool_3x3"), Edge(1, "identity"), norm="ibn"),
)
_CELL = Cell(_BLOCKS)


def make_split(num_images, seed):
    random, labels = np.random.default_rng(seed), np.arange(num_images) % 2
    images = random.integers(0, 156, (num_images, 3, 16, 16)) + 100 * labels[:, None, None, None]
    return Split(images.astype(np.uint8), labels)


@pytest.fixture(scope="session")
def bright_data() -> DataSet:
    """128 training and 100 validation images, dark or bright."""
    train, validation = make_split(128, 0), make_split(100, 1)
    return DataSet(train, validation, lambda: validation, ("dark", "bright"), (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def make_network():
    """Builds the same network at each call."""

    def make():
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(0)
            return build_network(Architecture(_CELL, _CELL), SPEC)

    return make
