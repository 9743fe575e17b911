from __future__ import annotations

import pytest

from experiments.watch.payload import WatchedRun
from experiments.watch.trial import drawn_cells, trial_details
from nas.architecture import Architecture, Block, Cell, Edge


def test_a_trial_has_its_cells_and_network(make_run, make_trial):
    run = WatchedRun(make_run())
    run.refresh()
    details = trial_details(run.follower, 3)
    assert details["fingerprint"] == make_trial(3).architecture.fingerprint
    assert details["seed"] == 3
    assert details["network"]["num_filters"] == make_trial(3).fidelity.network.num_filters
    assert [cell["name"] for cell in details["cells"]] == ["Normal cell", "Reduction cell"]
    with pytest.raises(KeyError):
        trial_details(run.follower, 17)


def test_a_drawn_cell_has_a_box_a_part_and_knows_which_states_are_connected():
    blocks = (Block(Edge(0, "sep_conv_3x3"), Edge(1, "identity"), norm="in"), Block(Edge(2, "conv_1x1"), Edge(2, "x")))
    cell, _ = drawn_cells(Architecture(Cell(blocks), Cell(blocks)).to_json())
    kinds = [box["kind"] for box in cell["boxes"]]
    assert {kind: kinds.count(kind) for kind in kinds} == {"input": 2, "op": 4, "combine": 2, "output": 1}
    norms = {box["state"]: box["detail"] for box in cell["boxes"] if box["kind"] == "combine"}
    assert norms == {2: "in", 3: "bn"}
    between = sorted((source, target) for source, target, _ in cell["lines"] if source is not None)
    assert between == [(0, 2), (1, 2), (2, 3), (2, 3), (3, 4)]
    assert next(box["lines"] for box in cell["boxes"] if box["name"] == "sep_conv_3x3") == ("sep", "3\u00d73")
    for box in cell["boxes"]:
        assert box["x"] - box["width"] / 2 >= 0
        assert box["x"] + box["width"] / 2 <= cell["width"] + 0.1


@pytest.mark.parametrize("value", [None, {"arch": "|none~0|"}, [], "text"])
def test_what_has_no_cells_is_not_drawn(value):
    assert drawn_cells(value) == []
