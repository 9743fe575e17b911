"""Classes of cells as source: wiring that can be read off."""

from __future__ import annotations

import ast

import pytest

from nas.architecture import Block, Cell, Edge
from nas.export.cell_source import BLOCK_SOURCE, CellSource, state_name
from search_spaces.published import PUBLISHED

MIXED = Cell(
    (
        Block(Edge(0, "max_pool_3x3"), Edge(1, "conv_1x1"), "concat", "ibn_b"),
        Block(Edge(2, "sep_conv_5x5"), Edge(1, "identity"), "add", "in"),
    ),
    concat=(0, 2, 3),
)


def method(text: str, name: str) -> str:
    cell = ast.parse(text).body[0]
    assert isinstance(cell, ast.ClassDef)
    return next(ast.unparse(node) for node in cell.body if isinstance(node, ast.FunctionDef) and node.name == name)


def test_forward_says_how_states_are_made() -> None:
    forward = method(CellSource(MIXED, reduction=False).text(), "forward")
    assert "s2 = self.blocks[0].concat(p, h)" in forward
    assert "s3 = self.blocks[1].add(s2, h)" in forward
    assert "return HiddenState(p_out, s2, s3)" in forward


def test_comments_name_operations_and_norms() -> None:
    text = CellSource(PUBLISHED["nasnet-a"].normal, reduction=False).text()
    assert "# sep_conv_5x5(h), sep_conv_3x3(p); bn\n        s2 = self.blocks[0].add(h, p)" in text


def test_widths_and_norms_reach_the_operations() -> None:
    init = method(CellSource(MIXED, reduction=False).text(), "__init__")
    assert "s2 = 2 * num_filters" in init
    assert "s3 =" not in init  # nothing reads it
    assert "separable_convolution(5, site(s2, NORM_IN))" in init
    assert "instance_norm(2 * num_filters, NORMS)" in init


def test_only_inputs_of_reduction_cells_are_strided() -> None:
    init = method(CellSource(MIXED, reduction=True).text(), "__init__")
    assert "site(p, NORM_IBN_B, stride=2)" in init
    assert "site(s2, NORM_IN)" in init
    assert "result = StateShape(num_filters, previous.num_halvings + 1)" in init


def test_outputs_are_matched_only_where_a_cell_gives_out_its_inputs() -> None:
    assert "match_outputs" in CellSource(MIXED, reduction=True).text()
    assert "match_outputs" not in CellSource(PUBLISHED["nasnet-a"].reduction, reduction=True).text()


def test_norms_may_depend_on_depth() -> None:
    init = method(CellSource(MIXED, reduction=False, varies=True).text(), "__init__")
    assert "appearance: bool=True" in init
    assert "norm_in = NORM_IN if appearance else NORM_BN" in init
    assert "instance_norm(2 * num_filters, NORMS) if appearance else None" in init
    fixed = CellSource(PUBLISHED["nasnet-a"].normal, reduction=False, varies=True).text()
    assert "norm_bn" not in fixed


def test_padding_counts_where_it_should() -> None:
    for counts in (False, True):
        text = CellSource(MIXED, reduction=False, counts_padding=counts).text()
        assert ("average_counts_padding=True" in text) == counts


def test_blocks_are_valid_source() -> None:
    (block,) = ast.parse(BLOCK_SOURCE).body
    assert isinstance(block, ast.ClassDef)


@pytest.mark.parametrize(("state", "name"), [(0, "p"), (1, "h"), (2, "s2"), (13, "s13")])
def test_state_names(state: int, name: str) -> None:
    assert state_name(state) == name
