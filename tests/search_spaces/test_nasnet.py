"""The numbers of NASNet's space (1707.07012, section 3)."""

from __future__ import annotations

import dataclasses
import math

from search_spaces.nasnet import NASNET, NASNET_OPS


def test_without_norms_there_are_fifty_decisions() -> None:
    space = dataclasses.replace(NASNET, norms=("bn",))
    assert len(space.choices) == 50
    assert len(NASNET.choices) == 60


def test_the_size_of_the_space_in_closed_form() -> None:
    """Sources 720^2, operations 13^10 and combinations 2^5 a cell; two cells; a norm for each of 10 blocks."""
    pairs = (720**2 * 13**10 * 2**5) ** 2
    assert f"{pairs:.2e}" == "5.23e+36"
    assert math.prod(choice.num_options for choice in dataclasses.replace(NASNET, norms=("bn",)).choices) == pairs
    assert math.prod(choice.num_options for choice in NASNET.choices) == pairs * 4**10


def test_there_are_thirteen_operations() -> None:
    assert len(set(NASNET_OPS)) == 13
    assert NASNET.norms == ("bn", "in", "ibn", "gn")
