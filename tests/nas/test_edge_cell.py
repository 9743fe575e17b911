import pytest

from nas.edge_cell import EdgeCell

ARCH = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|"


def test_a_cell_reads_its_own_name_and_json():
    cell = EdgeCell.from_arch(ARCH)
    assert cell.num_nodes == 4
    assert cell == EdgeCell.from_json(cell.to_json())
    assert cell.to_json() == {"arch": ARCH}


def test_fingerprints_tell_names_apart():
    one, other = (EdgeCell((op,) * 6) for op in ("none", "skip_connect"))
    assert one.fingerprint == EdgeCell(("none",) * 6).fingerprint
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "arch",
    [
        "",
        "|none~0|none~1|",
        "|none~1|",
        "|none~0|+|none~0|",
        "|none~0|+|none~1|none~0|",
        "|none~0|+|none~0|none~1",
        "|none|",
        "|~0|",
        "none~0",
        "|none~0|+",
        "|none~0| ",
        "||none~0|",
    ],
)
def test_a_name_that_is_none_is_refused(arch):
    with pytest.raises(ValueError, match="must be named"):
        EdgeCell.from_arch(arch)


@pytest.mark.parametrize("value", [None, "x", {}, {"arch": 3}, {"arch": ARCH, "more": 1}])
def test_json_that_is_no_cell_is_refused(value):
    with pytest.raises(ValueError, match="with its name as arch"):
        EdgeCell.from_json(value)


@pytest.mark.parametrize(
    ("ops", "message"), [((), "1, 3, 6"), (("a", "b"), "got 2"), (("a|b",), "a name"), ((3,), "a name")]
)
def test_a_cell_that_cannot_be_is_refused(ops, message):
    with pytest.raises(ValueError, match=message):
        EdgeCell(ops)


def test_nodes_list_their_operations_by_source():
    nodes = list(EdgeCell.from_arch(ARCH).nodes)
    assert nodes == [("avg_pool_3x3",), ("nor_conv_1x1", "skip_connect"), ("nor_conv_1x1", "none", "nor_conv_3x3")]
