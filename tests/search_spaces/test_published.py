"""The published cells against a second transcription, in the papers' short notation."""

from __future__ import annotations

import re

import pytest

from nas.architecture import Architecture, Cell
from search_spaces.published import PUBLISHED

SHORT = {
    "id": "identity",
    "avg3": "avg_pool_3x3",
    "max2": "max_pool_2x2",
    "max3": "max_pool_3x3",
    "c1": "conv_1x1",
    "c3": "bottleneck_conv_3x3",
    "c1x7-7x1": "bottleneck_conv_1x7_7x1",
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "sep7": "sep_conv_7x7",
    "dil2sep5": "dil2_sep_conv_5x5",
}
STATES = {"p": 0, "h": 1}

CELLS = {
    ("nasnet-a", "normal"): "sep5(h)+sep3(p) | sep5(p)+sep3(p) | avg3(h)+id(p) | avg3(p)+avg3(p) | sep3(h)+id(h) "
    "-> p,2,3,4,5,6",
    ("nasnet-a", "reduction"): "sep5(h)+sep7(p) | max3(h)+sep7(p) | avg3(h)+sep5(p) | id(3)+avg3(2) | sep3(2)+max3(h) "
    "-> 3,4,5,6",
    ("pnasnet-5", "normal"): "sep5(p)+max3(p) | sep7(h)+max3(h) | sep5(h)+sep3(h) | sep3(4)+max3(h) | sep3(p)+id(h) "
    "-> 2,3,4,5,6",
    ("amoebanet-a", "normal"): "avg3(h)+max3(h) | sep3(p)+id(p) | id(h)+avg3(p) | sep3(h)+sep5(2) | avg3(5)+sep3(h) "
    "-> p,3,4,6",
    ("amoebanet-a", "reduction"): "sep3(p)+avg3(h) | max3(h)+sep7(2) | max3(p)+max3(h) | sep3(4)+c1x7-7x1(h) | "
    "avg3(p)+sep7(h) -> 2,3,4,5,6",
    ("amoebanet-b", "normal"): "c1(p)+max3(p) | id(p)+sep3(h) | c1(p)+sep3(h) | c1(2)+id(2) | avg3(p)+c1(5) -> h,3,4,6",
    ("amoebanet-b", "reduction"): "max2(h)+max3(h) | id(2)+c3(p) | dil2sep5(2)+max3(2) | id(3)+sep3(p) | "
    "avg3(4)+c1(3) -> 5,6",
    ("amoebanet-c", "normal"): "avg3(h)+sep3(h) | id(h)+sep3(h) | avg3(2)+sep3(p) | id(h)+sep3(p) | avg3(3)+sep3(h) "
    "-> p,2,4,5,6",
    ("amoebanet-c", "reduction"): "max3(h)+max3(h) | sep7(2)+sep3(h) | sep7(h)+max3(p) | sep5(4)+sep5(4) | "
    "max3(p)+sep3(p) -> h,2,3,4,5,6",
    ("amoebanet-d", "normal"): "c1(p)+max3(p) | id(p)+c1x7-7x1(h) | c1(h)+c1x7-7x1(h) | max3(2)+id(2) | avg3(p)+c1(5) "
    "-> h,3,4,6",
    ("amoebanet-d", "reduction"): "max2(h)+max3(h) | id(2)+c3(p) | c1x7-7x1(2)+max3(2) | id(3)+max2(p) | "
    "avg3(2)+c1(3) -> 4,5,6",
}


def state(text: str) -> int:
    return STATES[text] if text in STATES else int(text)


@pytest.mark.parametrize(("key", "text"), CELLS.items(), ids=["/".join(key) for key in CELLS])
def test_cells_are_wired_as_published(key: tuple[str, str], text: str) -> None:
    name, part = key
    cell: Cell = getattr(PUBLISHED[name], part)
    blocks, concat = text.split("->")
    edges = [(SHORT[op], state(source)) for op, source in re.findall(r"([\w-]+)\((\w)\)", blocks)]
    assert [(edge.op, edge.source) for block in cell.blocks for edge in block.edges] == edges
    assert cell.concat == tuple(state(part.strip()) for part in concat.split(","))
    assert all(block.combine == "add" and block.norm == "bn" for block in cell.blocks)


def test_pnasnet_has_one_cell_for_both_purposes() -> None:
    assert PUBLISHED["pnasnet-5"].normal == PUBLISHED["pnasnet-5"].reduction


def test_names_and_architectures_are_different() -> None:
    assert list(PUBLISHED) == ["nasnet-a", "pnasnet-5", "amoebanet-a", "amoebanet-b", "amoebanet-c", "amoebanet-d"]
    assert len({architecture.fingerprint for architecture in PUBLISHED.values()}) == len(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_json_keeps_them(name: str) -> None:
    architecture = PUBLISHED[name]
    assert Architecture.from_json(architecture.to_json()) == architecture


def test_no_published_cell_leaves_a_block_without_a_reader() -> None:
    for architecture in PUBLISHED.values():
        for cell in (architecture.normal, architecture.reduction):
            assert set(cell.loose_ends) <= set(cell.output_states)
