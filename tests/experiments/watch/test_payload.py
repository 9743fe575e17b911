from __future__ import annotations

import json

import pytest
import yaml

from experiments.watch import payload
from experiments.watch.payload import WatchedRun, describe, open_runs


@pytest.fixture
def run(make_run):
    run = WatchedRun(make_run())
    run.refresh()
    return run


def test_a_new_reader_gets_everything_as_json(run):
    delta = run.delta(-1, 0)
    assert json.loads(json.dumps(delta, allow_nan=False))["start"] == 0
    assert delta["columns"]["accuracy"] == [0.5, 0.75, None, 0.625]
    assert delta["columns"]["trial"] == [0, 1, 2, 3]
    assert [len(code) for code in delta["codes"]] == [12] * 4
    assert delta["settings"]["controller.name"] == '"random"'
    assert delta["texts"] == {2: "the loss is not finite"}
    assert (delta["num_pending"], [trial for trial, _ in delta["pending"]]) == (2, [4, 5])
    assert delta["more"] is False
    described = describe([run])
    assert described["runs"] == [run.name]
    assert described["statuses"][:3] == ("trained", "cached", "diverged")


def test_a_reader_gets_only_what_is_new(run):
    delta = run.delta(0, 3)
    assert (delta["start"], delta["columns"]["trial"], delta["slots"], delta["texts"]) == (3, [3], None, {})
    assert run.delta(0, 4)["codes"] == []
    assert run.delta(0, 99)["start"] == 4


def test_a_reader_of_another_generation_starts_anew(run):
    assert run.delta(5, 3)["start"] == 0


def test_many_rows_come_in_parts(run, monkeypatch):
    monkeypatch.setattr(payload, "MAX_ROWS", 3)
    first = run.delta(-1, 0)
    assert (len(first["codes"]), first["more"]) == (3, True)
    second = run.delta(0, 3)
    assert (len(second["codes"]), second["more"]) == (1, False)


def test_a_configuration_that_changes_is_read_again(run, make_run, tmp_path):
    path = tmp_path / "run" / "config.yaml"
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**document, "search": {"num_trials": 1000, "seed": 0}}))
    run.refresh()
    assert run.delta(-1, 0)["settings"]["search.num_trials"] == "1000"
    path.write_text("{")
    run.refresh()
    assert run.delta(-1, 0)["settings"]["search.num_trials"] == "1000"


def test_what_is_no_search_or_given_twice_is_refused(make_run, tmp_path):
    folder = make_run()
    with pytest.raises(ValueError, match="more than once"):
        open_runs([folder, tmp_path / "." / "run"])
    with pytest.raises(ValueError, match="there is no folder"):
        open_runs([tmp_path / "missing"])
    (folder / "config.yaml").write_text("training: {}\n")
    with pytest.raises(ValueError, match="holds a run of `nas train`; it must be one of `nas search`"):
        open_runs([folder])
