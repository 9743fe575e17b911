from __future__ import annotations

import io
import statistics

import pytest
from rich.console import Console

from experiments.architectures import latency_table
from experiments.architectures.latency_table import TableRequest, build_table, report_line
from nas.latency import measure, operations
from nas.latency.operations import OperationTable
from nas.latency.settings import LatencySettings
from nas.latency.timing import Latency
from nas.models.complexity import measure as measure_complexity

SETTINGS = LatencySettings(stack="1x2", image_size=8)


def test_a_table_is_built_and_checked_on_other_networks(tmp_path, monkeypatch):
    """A part takes as long as it has parameters, and so does a network: the table predicts the ranks."""

    def timed(network, *_):
        number = 1 + sum(parameter.numel() for parameter in network.parameters())
        return Latency(float(number), 0, 0, 0, 30, 0)

    monkeypatch.setattr(measure, "nominal_ms", lambda *_: 1.0)
    monkeypatch.setattr(operations, "time_network", timed)
    monkeypatch.setattr(measure, "time_network", timed)
    monkeypatch.setattr(latency_table, "_PATIENCE", 2)
    out = tmp_path / "table.json"
    report = build_table(TableRequest("tiny", SETTINGS, samples=3, check=5), out, Console(file=io.StringIO()))
    assert report["num_networks"] == 5
    assert report["kendall_tau"] > 0.9
    table = OperationTable.read(out)
    assert len(table.entries) == report["num_entries"]
    request = TableRequest("tiny", SETTINGS, samples=3, check=5)
    ratios = [
        table.predict(each, request.network(each))
        / (1 + measure_complexity(each, request.network(each)).num_parameters)
        for each in request.architectures(5, 1)
    ]
    assert statistics.median(ratios) == pytest.approx(1.0)
    assert "on 5 networks" in report_line(report)


@pytest.mark.parametrize(("space", "samples"), [("huge", 3), ("tiny", 0)])
def test_bad_requests(space, samples):
    with pytest.raises(ValueError, match=r"huge|samples"):
        TableRequest(space, SETTINGS, samples, 5)
