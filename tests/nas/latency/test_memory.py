from __future__ import annotations

import pytest

from nas.fidelity import NetworkSpec
from nas.latency.memory import peak_memory_mib
from search_spaces.published import PUBLISHED

SPEC = NetworkSpec(num_filters=4, num_repeats=1, num_stages=1, image_size=16, in_channels=1)
CELL = PUBLISHED["nasnet-a"]


def test_memory_is_that_of_weights_images_and_live_maps():
    one, two = peak_memory_mib(CELL, SPEC), peak_memory_mib(CELL, SPEC, batch=2)
    maps = two - one  # what an image adds: the weights are there once
    assert 0 < maps < one
    assert peak_memory_mib(CELL, SPEC, batch=4) == pytest.approx(one + 3 * maps)
    assert maps > 16 * 16 * 4 * 12 / 2**20  # the output of the stem alone, of 12 channels


def test_memory_is_the_same_every_time():
    assert peak_memory_mib(CELL, SPEC) == peak_memory_mib(CELL, SPEC)
