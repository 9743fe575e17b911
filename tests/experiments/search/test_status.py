from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from experiments.runs.run_folder import RunFolder
from experiments.search.status import print_status, run_status
from nas.ledger.writer import Ledger
from nas.plain import PlainDescription
from nas.trial import Failure, Success


@pytest.fixture
def run(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    folder.write_config({"search": {"num_trials": 9}, "space": {"name": "tiny"}, "controller": {"name": "random"}})
    trials = [make_trial(0), make_trial(1), make_trial(2, 0), make_trial(3), make_trial(4)]
    with Ledger(folder.ledger) as ledger:
        ledger.append_asked(trials)
        ledger.append_finished(Success(0, 0.5, num_parameters=1234, num_multiply_adds=2_500_000, train_seconds=3.0))
        ledger.append_finished(Success(1, 0.75, num_parameters=99, train_seconds=4.0))
        ledger.append_finished(Success(2, 0.5, cached=True))
        ledger.append_finished(Failure(3, "diverged", "the loss\nis not finite", 1.0))
    return tmp_path


def test_status_holds_what_the_ledger_holds(run):
    status = run_status(run).to_json()
    assert json.loads(json.dumps(status)) == status
    expected = {"num_trials": 9, "num_finished": 4, "num_pending": 1, "num_succeeded": 3, "num_cached": 1}
    assert {key: status[key] for key in expected} == expected
    assert status["failures"] == {"diverged": 1}
    assert status["worker_seconds"] == pytest.approx(8.0)
    assert status["mean_recent"] == pytest.approx(1.75 / 3)
    assert [(row["rank"], row["trial"], row["accuracy"]) for row in status["best"]] == [(1, 1, 0.75), (2, 0, 0.5)]


def test_status_reads_while_the_run_is_locked(run):
    with Ledger(RunFolder(run).ledger):
        assert run_status(run).num_finished == 4


def test_printed_status_shows_best_and_failures(run):
    stream = io.StringIO()
    print_status(run_status(run), Console(file=stream, width=120))
    text = stream.getvalue()
    for part in ("4 of 9 trials finished", "diverged 1", "the loss is not finite", "75.00%", "1,234", "2.5 M"):
        assert part in text


def test_trials_that_were_only_scored_are_counted_apart(run):
    with Ledger(RunFolder(run).ledger) as ledger:
        ledger.append_finished(Success(4, 0.0, train_seconds=1.0, stopped_after=0))
    status, stream = run_status(run), io.StringIO()
    assert (status.num_succeeded, status.num_stopped, status.num_only_scored) == (4, 1, 1)
    assert status.mean_recent == pytest.approx(1.75 / 3)
    assert [row.trial for row in status.best] == [1, 0]
    print_status(status, Console(file=stream, width=120))
    assert "1 stopped early, 1 of them after 0 epochs (scores); " in stream.getvalue()


def test_a_latency_that_was_measured_is_shown(run):
    with Ledger(RunFolder(run).ledger) as ledger:
        ledger.append_finished(Success(4, 0.7, metrics={"latency_ms": 1.25, "activations": 9.0}))
    status, stream = run_status(run), io.StringIO()
    assert [dict(row.costs) for row in status.best] == [{}, {"latency": 1.25}, {}]
    print_status(status, Console(file=stream, width=120))
    assert "latency" in stream.getvalue()
    assert "1.250 ms" in stream.getvalue()
    assert "peak memory" not in stream.getvalue()


def test_a_search_by_scores_trains_no_epochs(run):
    assert run_status(run).num_epochs > 0
    RunFolder(run).write_config({**RunFolder(run).document(), "evaluator": {"name": "zero_cost"}})
    assert run_status(run).num_epochs == 0


def test_plain_data_is_shown_in_place_of_the_size_of_a_network(run, make_trial):
    trial = replace(make_trial(5), architecture=PlainDescription({"depth": 3, "kind": "[b]x[/b]"}))
    with Ledger(RunFolder(run).ledger) as ledger:
        ledger.append_asked([trial])
        ledger.append_finished(Success(5, 0.9))
    status = run_status(run)
    assert status.to_json()["best"][0]["value"] == {"depth": 3, "kind": "[b]x[/b]"}
    stream = io.StringIO()
    print_status(replace(status, best=status.best[:1]), Console(file=stream, width=120))
    assert "depth 3, kind [b]x[/b]" in stream.getvalue()
    assert "parameters" not in stream.getvalue()


def test_a_run_without_trials_has_a_status(tmp_path):
    RunFolder(tmp_path).write_config({"search": {"num_trials": 9}})
    status = run_status(tmp_path).to_json()
    assert (status["num_finished"], status["best"], status["mean_recent"]) == (0, [], None)
    stream = io.StringIO()
    print_status(run_status(tmp_path), Console(file=stream))
    assert "0 of 9 trials finished" in stream.getvalue()


def test_a_torn_line_is_told(run):
    with RunFolder(run).ledger.open("a") as file:
        file.write('{"event": "fini')
    stream = io.StringIO()
    print_status(run_status(run), Console(file=stream, width=300))
    assert "warning: " in stream.getvalue()


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing", "there is no folder .*missing$"), ("empty", "holds no run"), ("file", "file must be a folder$")],
)
def test_what_is_no_run_is_refused(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    with pytest.raises(ValueError, match=message):
        run_status(tmp_path / name)
