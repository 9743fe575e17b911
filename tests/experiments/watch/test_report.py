from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from experiments.watch import analysis, payload
from experiments.watch.payload import WatchedRun, open_runs
from experiments.watch.report import best_trials, report_data, write_report
from nas.ledger.writer import read_ledger
from nas.trial import Failure, Success


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    """The answers that need torch are tested with `experiments.watch.analysis`."""
    monkeypatch.setattr(analysis, "ANSWERS", {name: lambda **asked: sorted(asked) for name in analysis.ANSWERS})


def test_a_report_holds_all_trials_and_the_details_of_the_best(make_run, monkeypatch):
    monkeypatch.setattr(payload, "MAX_ROWS", 3)
    data = report_data(open_runs([make_run(), make_run("other")]))
    assert [sum(len(delta["codes"]) for delta in deltas) for deltas in data["deltas"]] == [4, 4]
    assert [list(found) for found in data["details"]] == [[1, 3, 0, 2]] * 2
    assert data["comparison"] == {"result": ["runs"]}
    assert data["details"][0][1]["stages"] == {"result": ["architecture", "network"]}
    assert data["preferences"] == [{"result": ["max_seconds", "run"]}] * 2


def test_the_best_come_first_each_architecture_once(make_run):
    run = WatchedRun(make_run())
    run.refresh()
    assert best_trials(run, 2) == [1, 3]


def test_trials_rank_as_for_commands(make_run):
    outcomes = [Success(0, 0.5), Success(1, 0.75), Failure(2, "diverged", "not finite"), Success(3, 0.625)]
    repeated = Success(5, 0.9)  # of the architecture of trial 0, whose first measurement counts
    stopped = Success(4, 0.8, stopped_after=1)
    run = WatchedRun(make_run(outcomes=[*outcomes, repeated, stopped]))
    run.refresh()
    best = read_ledger(run.follower.path).best(9)
    assert best_trials(run, 9) == [*(record.trial.id for record in best), 2] == [1, 3, 0, 4, 2]


def test_the_file_holds_the_data(make_run, tmp_path):
    out = tmp_path / "new" / "report.html"
    write_report([make_run()], out)
    packed = re.search(r'id="data">([^<]*)<', out.read_text())[1]
    assert json.loads(gzip.decompress(base64.b64decode(packed)))["runs"] == [str(tmp_path / "run")]


def test_an_error_of_an_analysis_is_told_in_the_report(make_run, monkeypatch):
    def fail(**_asked):
        raise ValueError("nothing to compare")

    monkeypatch.setitem(analysis.ANSWERS, "comparison", fail)
    assert report_data(open_runs([make_run()]))["comparison"] == {"error": "nothing to compare"}


def test_bad_input_is_refused(make_run, tmp_path):
    folder = make_run()
    with pytest.raises(ValueError, match=r"must end in \.html"):
        write_report([folder], tmp_path / "report.txt")
    (folder / "ledger.jsonl").write_text("nonsense\n")
    with pytest.raises(ValueError, match="line 1: "):
        write_report([folder], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
