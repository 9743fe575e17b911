from __future__ import annotations

import pytest

from experiments.watch.slots import SlotTable, architecture_slots
from nas.architecture import Architecture, Block, Cell, Edge
from search_spaces.nasbench201 import EdgeCell
from search_spaces.nasnet import NASNET

CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity"), "add", "in"),))


def test_a_cell_has_six_slots_a_block_named_as_the_choices_of_its_space():
    slots = architecture_slots(Architecture(CELL, CELL).to_json())
    assert [(slot.name, slot.label) for slot in slots[:6]] == [
        ("normal/block0/left/source", "0"),
        ("normal/block0/left/op", "conv_3x3"),
        ("normal/block0/right/source", "1"),
        ("normal/block0/right/op", "identity"),
        ("normal/block0/combine", "add"),
        ("normal/block0/norm", "in"),
    ]
    architecture = NASNET.decode((0,) * len(NASNET.choices))
    names = {(slot.name, slot.kind) for slot in architecture_slots(architecture.to_json())}
    assert names == {(choice.name, choice.kind) for choice in NASNET.choices}


def test_a_cell_with_operations_on_edges_has_a_slot_an_edge():
    slots = architecture_slots(EdgeCell(("none", "skip_connect", "nor_conv_3x3")).to_json())
    assert [(slot.name, slot.label) for slot in slots] == [
        ("node1/input0/op", "none"),
        ("node2/input0/op", "skip_connect"),
        ("node2/input1/op", "nor_conv_3x3"),
    ]


@pytest.mark.parametrize("value", [None, 3, "text", [], {}, {"arch": 5}, {"normal": {"blocks": [{}]}}, {"normal": 1}])
def test_what_has_no_cells_has_no_slots(value):
    assert architecture_slots(value) == []


def test_codes_have_a_character_a_slot_and_equal_labels_share_it():
    table = SlotTable()
    first = table.encode(Architecture(CELL, CELL).to_json())
    assert first == "001100" * 2
    assert table.labels["op"] == ["conv_3x3", "identity"]
    larger = Cell((*CELL.blocks, *CELL.blocks))
    assert table.encode(Architecture(larger, larger).to_json()) == ""


def test_more_labels_than_letters_have_characters_of_their_own():
    table = SlotTable()
    codes = [table.encode({"arch": f"|op{number}~0|"}) for number in range(200)]
    assert len(set(codes)) == 200
    assert {len(code) for code in codes} == {1}
    assert codes[0] == "0"
    assert codes[199] == chr(0x100 + 199)
