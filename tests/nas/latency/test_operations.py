from __future__ import annotations

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.fidelity import NetworkSpec
from nas.latency import operations
from nas.latency.operations import OperationTable
from nas.latency.parts import parts_of
from nas.latency.settings import LatencySettings
from nas.latency.timing import Latency

SPEC = NetworkSpec(num_filters=2, num_repeats=1, num_stages=1, image_size=8, in_channels=1)


def cells(op):
    cell = Cell((Block(Edge(0, op), Edge(1, op)),))
    return Architecture(cell, cell)


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(operations, "nominal_speed", lambda _: {"reference_ms": 1.2})
    monkeypatch.setattr(operations, "time_network", lambda *_: Latency(1.5, 0, 1, 2, 30, 0))
    return OperationTable.build([(cells("conv_3x3"), SPEC)], LatencySettings())


def test_a_network_takes_the_sum_of_its_parts(table):
    number = sum(part.count for part in parts_of(cells("conv_3x3"), SPEC).values())
    assert table.predict(cells("conv_3x3"), SPEC) == pytest.approx(1.5 * number)


def test_a_part_that_was_not_measured(table):
    with pytest.raises(ValueError, match="lacks the part Sequential"):
        table.predict(cells("sep_conv_5x5"), SPEC)


def test_a_table_is_written_and_read(table, tmp_path):
    path = tmp_path / "tables" / "laptop.json"
    table.write(path, {"kendall_tau": 0.9})
    assert OperationTable.read(path) == table
    assert table.conditions["reference_ms"] == 1.2


@pytest.mark.parametrize("text", ["{}", '{"format": 3, "entries": {}, "conditions": {}}'])
def test_other_files_are_no_tables(text, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="must be a table"):
        OperationTable.read(path)


def test_a_table_of_other_parts_must_be_built_again(tmp_path):
    path = tmp_path / "old.json"
    path.write_text('{"format": 1, "entries": {}, "conditions": {}}')
    with pytest.raises(ValueError, match="is a table of an earlier version, which had other parts: build it again"):
        OperationTable.read(path)


def test_a_missing_table(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        OperationTable.read(tmp_path / "none.json")


def test_parts_are_timed_on_random_weights(calibrated):
    table = OperationTable.build([(cells("conv_3x3"), SPEC)], LatencySettings(max_seconds=0.01))
    assert all(value > 0 for value in table.entries.values())
