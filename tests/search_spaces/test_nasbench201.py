import csv
import itertools

import pytest

from nas.edge_cell import EdgeCell
from search_spaces.nasbench201 import NASBENCH201, NASBENCH201_OPS, EdgeSpace

ARCH = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|"


def test_the_space_has_15625_cells():
    assert [choice.num_options for choice in NASBENCH201.choices] == [5] * 6
    assert {choice.kind for choice in NASBENCH201.choices} == {"op"}
    assert len({choice.name for choice in NASBENCH201.choices}) == 6


def test_every_decision_tuple_decodes_to_a_cell_of_its_own():
    cells = {NASBENCH201.decode(decisions) for decisions in itertools.product(range(5), repeat=6)}
    assert len(cells) == 15_625


def test_decode_and_encode_are_inverse():
    cell = NASBENCH201.decode((4, 2, 1, 2, 0, 3))
    assert cell.arch == ARCH
    assert NASBENCH201.encode(cell) == (4, 2, 1, 2, 0, 3)


def test_decisions_of_another_space_are_refused():
    with pytest.raises(ValueError, match="6 decisions"):
        NASBENCH201.decode((0,) * 5)
    with pytest.raises(ValueError, match=r"options 0\.\.4, got 5"):
        NASBENCH201.decode((5, 0, 0, 0, 0, 0))


@pytest.mark.parametrize("cell", [EdgeCell(("none",)), EdgeCell(("other",) * 6)])
def test_a_cell_of_another_space_is_not_encoded(cell):
    with pytest.raises(ValueError, match="4 nodes and ops of none"):
        NASBENCH201.encode(cell)


def test_the_space_of_a_table_is_the_smallest_that_holds_its_cells():
    archs = ["|own_op~0|+|none~0|skip_connect~1|", "|none~0|+|none~0|none~1|"]
    assert EdgeSpace.of(archs) == EdgeSpace(("none", "skip_connect", "own_op"), 3)
    with pytest.raises(ValueError, match=r"equal numbers of nodes, got \[2, 4\]"):
        EdgeSpace.of([ARCH, "|none~0|"])
    with pytest.raises(ValueError, match=r"got \[\]"):
        EdgeSpace.of([])


@pytest.mark.parametrize(
    ("ops", "num_nodes", "message"), [((), 4, "one or more"), (("a", "a"), 4, "different"), (("a",), 1, "at least 2")]
)
def test_a_space_that_cannot_be_is_refused(ops, num_nodes, message):
    with pytest.raises(ValueError, match=message):
        EdgeSpace(ops, num_nodes)


def test_the_published_table_holds_exactly_this_space(real_data):
    with (real_data / "nasbench201" / "cifar10.csv").open(newline="") as file:
        archs = [row["arch"] for row in csv.DictReader(file)]
    assert EdgeSpace.of(archs) == NASBENCH201
    assert {NASBENCH201.encode(EdgeCell.from_arch(arch)) for arch in archs} == set(
        itertools.product(range(len(NASBENCH201_OPS)), repeat=6)
    )
