"""The tiny space is tiny, and a part of NASNet's."""

from __future__ import annotations

import math

from search_spaces.nasnet import NASNET
from search_spaces.tiny import TINY


def test_its_size() -> None:
    """Sources (2 * 3)^2, operations 4^4, combinations 2^2 and norms 2^2 a cell; two cells."""
    assert math.prod(choice.num_options for choice in TINY.choices) == (6**2 * 4**4 * 2**2 * 2**2) ** 2
    assert len(TINY.choices) == 24


def test_it_is_a_part_of_nasnets() -> None:
    assert set(TINY.ops) < set(NASNET.ops)
    assert set(TINY.norms) < set(NASNET.norms)
