import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.descriptions import cells_from_json
from nas.edge_cell import EdgeCell

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))


@pytest.mark.parametrize("description", [Architecture(CELL, CELL), EdgeCell(("none",))])
def test_a_description_comes_back(description):
    assert cells_from_json(description.to_json()) == description


@pytest.mark.parametrize("value", [None, [], {"arch": 3}, {"reference": "resnet18"}])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match=r"must (be|have)"):
        cells_from_json(value)
