from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.runs.live_search import SearchDisplay, Tally, WatchedPool
from nas.rewards import CostedAccuracy, ShiftedAccuracy
from nas.trial import Failure, Success


def test_tally_counts_and_finds_the_incumbent():
    tally = Tally(10)
    for outcome in (
        Success(0, 0.5),
        Success(3, 0.9),
        Success(2, 0.9, cached=True),
        Failure(1, "diverged", "loss is nan"),
        Success(4, 0.1),
    ):
        tally.take(outcome)
    assert (tally.num_done, tally.num_failed, tally.num_cached) == (5, 1, 1)
    assert tally.incumbent is not None
    assert tally.incumbent.trial_id == 2
    assert tally.mean_recent == pytest.approx(0.6)


def test_the_incumbent_is_the_one_with_the_highest_reward():
    tally = Tally(10, CostedAccuracy(target_multiply_adds=100.0, exponent=-1.0))
    for outcome in (Success(0, 0.6, num_multiply_adds=100), Success(1, 0.9, num_multiply_adds=400)):
        tally.take(outcome)
    assert tally.incumbent is not None
    assert tally.incumbent.trial_id == 0


def test_mean_is_of_the_last_twenty():
    tally = Tally(100)
    for trial_id in range(30):
        tally.take(Success(trial_id, 0.0 if trial_id < 10 else 1.0))
    assert tally.mean_recent == 1.0


def test_rates_count_this_session_only(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    tally = Tally(10)
    for trial_id in range(4):
        tally.take(Success(trial_id, 0.5))
    now += 5000
    tally.start_session()
    assert tally.trials_per_hour is None
    assert tally.seconds_left is None
    now += 20
    tally.take(Success(4, 0.5))
    tally.take(Success(5, 0.5))
    assert tally.trials_per_hour == pytest.approx(360)
    assert tally.seconds_left == pytest.approx(40)


class _Pool:
    capacity = 3

    def __init__(self) -> None:
        self.entered = False
        self.submitted = []

    def submit(self, trial):
        self.submitted.append(trial)

    def next_outcome(self):
        return Success(self.submitted.pop(0).id, 0.5)

    def __enter__(self):
        self.entered = True
        return self

    def __exit__(self, kind, error, trace):
        self.entered = False


def test_watched_pool_passes_on_and_counts(make_trial):
    tally, inner = Tally(3), _Pool()
    with WatchedPool(inner, tally) as pool:
        assert inner.entered
        assert pool.capacity == 3
        pool.submit(make_trial(0))
        pool.submit(make_trial(1))
        assert tally.num_running == 2
        assert pool.next_outcome().trial_id == 0
        assert tally.num_running == 1
    assert not inner.entered


def test_plain_lines_come_now_and_then_and_at_the_end():
    stream = io.StringIO()
    tally = Tally(3)
    console = Console(file=stream, force_terminal=False)
    with SearchDisplay("runs/a", tally, console) as lines:
        for trial_id in range(3):
            tally.take(Success(trial_id, 0.25))
            lines.update()
        lines.say("stopping")
    first, said, last = stream.getvalue().splitlines()
    assert first.startswith("runs/a: done 1 of 3, running 0, failed 0, cached 0, incumbent 25.00% (trial 0), ")
    assert said == "stopping"
    assert last.startswith("runs/a: done 3 of 3, ")


def test_plain_lines_do_not_repeat_the_last_one():
    stream = io.StringIO()
    tally = Tally(1)
    with SearchDisplay("runs/a", tally, Console(file=stream)) as lines:
        tally.take(Success(0, 0.25))
        lines.update()
    assert len(stream.getvalue().splitlines()) == 1


def test_panel_shows_all_facts_in_a_terminal():
    stream = io.StringIO()
    tally = Tally(4)
    console = Console(file=stream, force_terminal=True, color_system=None, width=100)
    with SearchDisplay("runs/a", tally, console) as panel:
        assert panel.is_live
        tally.take(Success(7, 0.875))
        tally.take(Failure(1, "error", "text"))
        panel.update()
        panel.say("a line above")
    shown = stream.getvalue()
    for text in (
        "runs/a",
        "│ done     2 of 4",
        "87.50% (trial 7)",
        "mean of the last 20",
        "trials per hour",
        "time left",
    ):
        assert text in shown
    assert "a line above" in shown


def test_elsewhere_lines_are_plain():
    assert not SearchDisplay("runs/a", Tally(1), Console(file=io.StringIO())).is_live


def test_progress_within_trials_is_shown():
    tally = Tally(4)
    tally.num_running = 3
    tally.shares = {3: 0.254, 5: 0.5, 7: 0.1}
    assert dict(tally.facts())["running"] == "3 (trial 3 25%, trial 5 50%, ...)"
    tally.num_running = 0
    assert dict(tally.facts())["running"] == "0"


def test_nothing_is_left_to_estimate_once_a_search_stops():
    tally = Tally(4)
    tally.is_stopping = True
    assert dict(tally.facts())["time left"] == "stopping after the running trials"
    tally.end_session()
    assert "time left" not in dict(tally.facts())
    assert dict(tally.facts())["this session"] == "0 s"


def test_plain_lines_tell_the_progress_of_long_trials():
    stream, shares = io.StringIO(), {}
    tally = Tally(4)
    display = SearchDisplay("runs/a", tally, Console(file=stream), lambda: dict(shares))
    tally.num_running = 1
    display.update()
    for share in (0.25, 0.25, 0.5):
        shares[0] = share
        display._due = 0.0
        display.update()
    assert [line.partition("running ")[2][:15] for line in stream.getvalue().splitlines()] == [
        *("1, failed 0, ca", "1 (trial 0 25%)", "1 (trial 0 50%)")
    ]


def test_trials_that_were_only_scored_have_no_accuracy():
    """Their reward of 0, or of shifts that were not measured, is neither the incumbent's nor in a mean."""
    tally = Tally(10, ShiftedAccuracy())
    scored = Success(0, 0.0, metrics={"synflow": 9.0}, stopped_after=0)
    tally.take(scored)
    assert (tally.incumbent, tally.mean_recent) == (None, None)
    trained = Success(1, 0.5, metrics={"shifted_accuracy": 0.25}, stopped_after=1)
    for outcome in (trained, scored, scored):
        tally.take(outcome)
    assert (tally.incumbent, tally.mean_recent) == (trained, 0.5)
    assert (tally.num_done, tally.num_stopped) == (4, 4)
