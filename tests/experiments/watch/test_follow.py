from __future__ import annotations

import json
import math
import os
from dataclasses import replace

import pytest

from experiments.watch.follow import NUMBERS, LedgerFollower
from nas.ledger.writer import Ledger
from nas.rewards import CostedAccuracy
from nas.rungs import RungReport
from nas.trial import Success


def test_it_holds_what_the_ledger_holds(make_run):
    follower = LedgerFollower(make_run() / "ledger.jsonl")
    assert follower.read() is False
    assert follower.num_rows == 4
    columns = {name: list(follower.columns[name]) for name in NUMBERS}
    assert columns["trial"] == [0, 1, 2, 3]
    assert columns["status"] == [0, 0, 2, 1]
    assert columns["accuracy"][:2] == [0.5, 0.75]
    assert math.isnan(columns["accuracy"][2])
    assert columns["multiply_adds"][3] == 40_000
    assert columns["seconds"] == [2.0, 4.0, 1.0, 3.0]
    assert follower.texts == {2: "the loss is not finite"}
    assert follower.metrics == {1: {"test_accuracy": 0.7}}
    assert list(follower.pending) == [4, 5]
    assert follower.pending[5].twin == columns["twin"][0]


def test_new_lines_are_read_once_and_a_line_that_is_being_written_later(make_run):
    folder = make_run(outcomes=[])
    path = folder / "ledger.jsonl"
    follower = LedgerFollower(path)
    follower.read()
    assert follower.num_rows == 0
    with Ledger(path) as ledger:
        ledger.append_finished(Success(4, 0.25))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    follower.read()
    assert (follower.num_rows, follower.error) == (0, None)
    with path.open("ab") as file:
        file.write(whole[-5:])
    follower.read()
    follower.read()
    assert (follower.num_rows, list(follower.columns["trial"]), follower.generation) == (1, [4], 0)


def test_zeros_after_a_power_cut_are_waited_for(make_run):
    path = make_run() / "ledger.jsonl"
    with path.open("ab") as file:
        file.write(b"\0\0\n")
    follower = LedgerFollower(path)
    assert follower.read() is False
    assert (follower.num_rows, follower.error) == (4, None)


def test_a_damaged_line_is_no_cut_end(make_run):
    path = make_run() / "ledger.jsonl"
    with path.open("ab") as file:
        file.write(b"ab\0\n")
    follower = LedgerFollower(path)
    follower.read()
    assert "line 11: " in follower.error or "ledger.jsonl, line" in follower.error


def test_much_is_read_in_parts(make_run):
    follower = LedgerFollower(make_run() / "ledger.jsonl")
    assert follower.read(limit=1) is True
    while follower.read(limit=1):
        pass
    assert follower.num_rows == 4


def test_a_replaced_ledger_is_read_anew(make_run):
    path = make_run() / "ledger.jsonl"
    follower = LedgerFollower(path)
    follower.read()
    lines = path.read_text().splitlines(keepends=True)
    fresh = path.with_name("fresh")
    fresh.write_text("".join(lines[:-1]))
    fresh.replace(path)
    follower.read()
    assert (follower.generation, follower.num_rows) == (1, 3)


def test_a_ledger_may_be_missing_and_must_be_a_file(tmp_path):
    follower = LedgerFollower(tmp_path / "ledger.jsonl")
    assert follower.read() is False
    assert follower.error is None
    os.mkfifo(tmp_path / "pipe")
    follower = LedgerFollower(tmp_path / "pipe")
    assert follower.read() is False
    assert "must be a file" in follower.error


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "{}",
        '{"event": "asked", "time": 1}',
        '{"event": "finished", "time": 1, "outcome": {"status": "success", "trial_id": 99, "accuracy": 0.5}}',
        '{"event": "asked", "time": 1, "trial": {"id": 1' + "0" * 400 + "}}",
    ],
)
def test_an_invalid_line_ends_the_reading_and_is_named(make_run, line):
    path = make_run() / "ledger.jsonl"
    with path.open("a") as file:
        file.write(line + "\n")
    follower = LedgerFollower(path)
    assert follower.read() is False
    assert follower.read() is False
    assert f"{path}, line 12: " in follower.error
    assert follower.num_rows == 4


def test_unknown_events_are_counted_and_rungs_kept(make_run):
    path = make_run() / "ledger.jsonl"
    report = {"num_epochs": 3, "goes_on": True, "outcome": {"status": "success", "trial_id": 4, "accuracy": 0.5}}
    with path.open("a") as file:
        file.write(json.dumps({"event": "rung", "time": 5, "report": report}) + "\n")
        file.write('{"event": "later invention"}\n' * 2)
    follower = LedgerFollower(path)
    follower.read()
    assert [tuple(rung) for rung in follower.rungs] == [(4, 4, 3, 0.5, True)]
    assert follower.unknown == {"later invention": 2}
    assert follower.error is None


def test_the_reward_is_that_of_the_run(make_run):
    reward = CostedAccuracy(target_multiply_adds=20_000, exponent=-1)
    follower = LedgerFollower(make_run() / "ledger.jsonl", reward)
    follower.read()
    assert list(follower.columns["reward"][:2]) == pytest.approx([0.5, 0.25])


def test_a_trial_is_read_again_where_it_is(make_run, make_trial):
    follower = LedgerFollower(make_run() / "ledger.jsonl")
    follower.read()
    assert follower.asked_line(3)["architecture"] == make_trial(3).architecture.to_json()
    with pytest.raises(KeyError):
        follower.asked_line(6)


def test_trials_that_were_only_scored_have_no_accuracy(make_run):
    """Neither a point in a curve nor a rank, and no best accuracy at their rung."""
    scored = Success(0, 0.0, 1000, 20_000, 2.0, metrics={"synflow": 9.0}, stopped_after=0)
    path = make_run(outcomes=[]) / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.append_report(RungReport(0, replace(scored, stopped_after=None), goes_on=False))
        ledger.append_finished(scored)
        ledger.append_finished(Success(1, 0.5))
    follower = LedgerFollower(path)
    follower.read()
    for name in ("accuracy", "reward"):
        assert [math.isnan(value) for value in follower.columns[name]] == [True, False]
    assert (follower.columns["stopped"][0], follower.columns["parameters"][0]) == (0.0, 1000.0)
    assert math.isnan(follower.rungs[0].accuracy)
    assert follower.rungs[0].epochs == 0
