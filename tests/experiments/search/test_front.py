from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from experiments.architectures.find import find_architecture
from experiments.architectures.front_figure import draw_front
from experiments.cli.main import main
from experiments.runs.run_folder import RunFolder
from experiments.search.front import best_within, print_front, run_front
from nas.ledger.writer import Ledger
from nas.trial import Failure, Success

OUTCOMES = [(0.5, 10, 9.0), (0.9, 30, 9.0), (0.8, 12, 5.0), (0.7, 40, 9.0)]


@pytest.fixture
def run(tmp_path, make_trial):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write_config({"search": {"num_trials": 9}, "objectives": {"names": ["accuracy", "parameters"]}})
    with Ledger(folder.ledger) as ledger:
        ledger.append_asked([make_trial(number) for number in range(5)])
        for number, (accuracy, size, latency) in enumerate(OUTCOMES):
            ledger.append_finished(Success(number, accuracy, size, metrics={"latency_ms": latency}))
        ledger.append_finished(Failure(4, "diverged", "the loss is not finite"))
    return folder.path


def test_a_front_is_read_from_the_ledger(run):
    front = run_front(run)
    assert [(point.trial, point.numbers) for point in front.points] == [(1, (0.9, 30)), (2, (0.8, 12)), (0, (0.5, 10))]
    assert front.num_successes == 4
    assert front.points[front.knee].trial == 2
    assert front.reference == pytest.approx((0.46, 32))
    assert json.loads(json.dumps(front.to_json()))["knee"] == 1


def test_other_objectives_may_be_asked_for(run):
    assert [point.trial for point in run_front(run, ["accuracy", "latency"]).points] == [1, 2]
    with pytest.raises(ValueError, match="objective peak_memory needs the metric peak_memory_mib"):
        run_front(run, ["accuracy", "peak_memory"])


def test_the_best_within_a_bound(run):
    front = run_front(run)
    assert front.points[best_within(front, ["parameters=20"])].trial == 2
    assert front.points[best_within(front, ["parameters=11"])].trial == 0
    for bound, message in (("parameters=1", "no point"), ("speed=1", "OBJECTIVE=NUMBER"), ("parameters=x", "NUMBER")):
        with pytest.raises(ValueError, match=message):
            best_within(front, [bound])


def test_a_run_without_a_front(tmp_path):
    RunFolder(tmp_path).write_config({"search": {"num_trials": 9}})
    with pytest.raises(ValueError, match="sought no front: give --objectives"):
        run_front(tmp_path)


def test_members_of_the_front_are_named(run):
    assert find_architecture(f"{run}@front").outcome.trial_id == 2
    assert find_architecture(f"{run}@front3").outcome.trial_id == 0
    with pytest.raises(ValueError, match=r"a place on the front, 1\.\.3"):
        find_architecture(f"{run}@front4")


def test_the_front_is_printed_and_drawn(run, tmp_path):
    text = io.StringIO()
    print_front(run_front(run), Console(file=text, width=100))
    assert "3 of 4 architectures are on the front" in text.getvalue()
    assert "90.00%" in text.getvalue()
    draw_front(run, tmp_path / "front.svg")
    assert (tmp_path / "front.svg").stat().st_size > 1000


def test_the_commands_of_a_front(run, tmp_path, capsys):
    assert main(["status", str(run), "--front", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["objectives"] == ["accuracy", "parameters"]
    assert main(["select", str(run), "--front", "--bound", "parameters=11"]) == 0
    assert capsys.readouterr().out == f"{run}@front3: trial 0, accuracy 50.00%, parameters 10\n"
    assert main(["select", str(run), "--front", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trial"] == 2
    assert main(["select", str(run)]) == 2
    assert "needs --config and --out" in capsys.readouterr().err
