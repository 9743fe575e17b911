"""Calls of builders as source."""

from __future__ import annotations

import ast
from functools import partial

import pytest

from nas.architecture import Block, Cell, Edge
from nas.export.builders import builder_functions, call, literal, reference
from nas.models.normalization import batch_norm, instance_batch_norm, instance_norm
from nas.models.operations import OPERATIONS, identity, pool, separable_convolution


def test_calls_hold_what_the_table_sets() -> None:
    assert call(identity, "site") == "identity(site)"
    assert call(OPERATIONS["max_pool_5x5"].build, "site") == 'pool("max", 5, site)'
    assert call(OPERATIONS["dil2_sep_conv_5x5"].build, "site") == "separable_convolution(5, site, dilation=2)"


def test_references_are_expressions() -> None:
    assert reference(batch_norm) == "batch_norm"
    assert reference(partial(pool, "avg", 3)) == 'partial(pool, "avg", 3)'
    assert reference(partial(separable_convolution, dilation=2)) == "partial(separable_convolution, dilation=2)"


def test_functions_of_a_cell_are_those_behind_its_names() -> None:
    first = Block(Edge(0, "sep_conv_3x3"), Edge(1, "identity"), "add", "ibn_b")
    second = Block(Edge(0, "identity"), Edge(0, "identity"), norm="ibn")
    cell = Cell((first, second))
    functions = set(builder_functions(cell))
    assert functions == {separable_convolution, identity, batch_norm, instance_norm, instance_batch_norm}


def test_only_numbers_and_texts_can_be_set() -> None:
    with pytest.raises(ValueError, match=r"bound arguments of pool must be numbers or strings .* got \[3\]"):
        call(partial(pool, "avg", [3]), "site")


def test_only_functions_of_modules_can_be_called() -> None:
    with pytest.raises(ValueError, match="top of a module"):
        call(lambda site: site, "site")
    with pytest.raises(ValueError, match="top of a module"):
        call(partial(lambda size, site: site, 3), "site")


@pytest.mark.parametrize(
    "value",
    [1, -2.5, None, True, "plain", "it's", 'say "hi"', "both ' and \"", "back\\slash\n", "d\u00f6g \U0001f600", ""],
)
def test_literals_come_back_as_they_were(value: float | str | None) -> None:
    text = literal(value)
    assert ast.literal_eval(text) == value
    assert text.isascii()
    assert "\n" not in text
