"""Reading a ledger back: all that was written, or a clear error that names the line."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas.ledger import reader as ledger_reader
from nas.ledger.reader import read_ledger
from nas.ledger.writer import Ledger
from nas.rungs import RungReport
from nas.trial import Failure, Success


def test_what_is_written_is_read_back(written, make_trial):
    contents = read_ledger(written)
    assert [record.trial for record in contents.finished] == [make_trial(1, "avg_pool_3x3"), make_trial(0)]
    assert contents.finished[0].outcome == Success(1, 0.5, num_parameters=10, metrics={"test_accuracy": 0.4})
    assert contents.finished[1].outcome == Failure(0, "diverged", "loss is nan")
    assert contents.pending == [make_trial(2)]
    assert contents.warning is None
    for record in contents.finished:
        assert 1.7e9 < record.asked_at <= record.finished_at


def test_missing_file_reads_as_empty(path):
    contents = read_ledger(path)
    assert (contents.finished, contents.pending, contents.best(3)) == ([], [], [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 7"),
        ("[1]", "the event must be one of"),
        ('{"event": "vanished"}', "the event must be one of fidelity, asked, rung, finished, got 'vanished'"),
        ('{"event": ["asked"]}', "the event must be one of"),
        (
            '{"event":"finished","time":1,"outcome":{"status":"success","trial_id":1,"accuracy":0.5}}',
            "was not in flight",
        ),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":NaN}}', "must be finite"),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":1e999}}', "finite"),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":2}}', "between 0 and 1"),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2}}', "accuracy: Field required"),
        ('{"event":"finished","time":1,"outcome":{"status":"maybe","trial_id":2}}', "status"),
        ('{"event":"finished","time":"now","outcome":{"status":"success","trial_id":2,"accuracy":0}}', "time must be"),
        ('{"event":"asked","time":1,"trial":{"id":9}}', "must be"),
        ('{"event":"asked","time":1,"trial":7}', "a trial must be an object"),
        ('{"event":"fidelity","fingerprint":"x","fidelity":{"network":{"num_filters":-2}}}', "network.num_filters"),
        ("[" * 100_000, "must not be nested deeper"),
        ("\\xff", "line 7"),
    ],
)
def test_bad_line_is_named(written, line, message):
    with written.open("ab") as file:
        file.write(line.encode().replace(b"\\xff", b"\xff") + b"\n")
    with pytest.raises(ValueError, match=message) as caught:
        read_ledger(written)
    assert "line 7" in str(caught.value)
    with pytest.raises(ValueError, match=message), Ledger(written):
        pass
    written.with_name("ledger.jsonl.lock").unlink()


def test_zeros_at_the_end_that_a_power_cut_left_are_dropped(written):
    before, size = read_ledger(written), written.stat().st_size
    line = b'{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":0}}\n'
    for hole in (bytes(4096), line[:30] + bytes(40), bytes(3 * 2**20)):
        with written.open("r+b") as file:
            file.seek(size)
            file.write(hole)
            file.truncate()
        contents = read_ledger(written)
        assert (contents.finished, contents.pending) == (before.finished, before.pending)
        assert "cut by a crash" in contents.warning
    with Ledger(written):
        assert written.stat().st_size == size


@pytest.mark.parametrize("place", ["first line", "before valid lines", "within the last line", "last character"])
def test_zeros_elsewhere_are_an_error_and_leave_the_file_alone(written, place):
    content = written.read_bytes()
    line = b'{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":0}}\n'
    damaged, number = {
        "first line": (b"\0" + content[1:], 1),
        "before valid lines": (content + bytes(512) + line, 7),
        "within the last line": (content + line[:30] + b"\0" + line[31:-1], 7),
        "last character": (content[:-1] + b"\0" + line, 6),
    }[place]
    written.write_bytes(damaged)
    with pytest.raises(ValueError, match=rf"line {number}: it holds zeros"):
        read_ledger(written)
    with pytest.raises(ValueError, match=rf"line {number}: it holds zeros"), Ledger(written):
        pass
    assert written.read_bytes() == damaged


def test_lines_are_not_read_without_end(written, monkeypatch):
    monkeypatch.setattr(ledger_reader, "_MAX_LINE", 100)
    with pytest.raises(ValueError, match=r"line 1: a line must have at most 100 bytes"):
        read_ledger(written)


def test_the_stored_fingerprint_is_that_of_the_architecture(written):
    for record in read_ledger(written).finished:
        assert record.stored_fingerprint == record.fingerprint == record.trial.architecture.fingerprint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_value_gives_anything_but_a_clear_error(tmp_path_factory, data, make_trial):
    path = tmp_path_factory.mktemp("fuzz") / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.append_asked([make_trial(0)])
        ledger.append_finished(Success(0, 0.5, metrics={"x": 1.0}))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    place = data.draw(st.sampled_from(lines))
    while isinstance(place, dict | list) and place and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(json_values)
            break
        place = place[key]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    error = None
    try:
        read_ledger(path)
    except ValueError as caught:
        error = caught
    assert error is None or "line" in str(error)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "ledger.jsonl")
    for path in (tmp_path / "ledger.jsonl", tmp_path):
        with pytest.raises(ValueError, match=f"{path} must be a file"):
            read_ledger(path)


def test_reports_at_rungs_are_read_back(written):
    report = RungReport(1, Success(2, 0.25, train_seconds=3.0), goes_on=False)
    with Ledger(written) as ledger:
        ledger.append_report(report)
        ledger.append_finished(Success(2, 0.25, train_seconds=3.0, stopped_after=1))
    contents = read_ledger(written)
    assert contents.reports == [report]
    assert contents.finished[-1].outcome.stopped_after == 1
    with written.open("a") as file:
        file.write(json.dumps({"event": "rung", "time": 1.0, "report": report.to_json()}) + "\n")
    with pytest.raises(ValueError, match=r"line 9: trial 2 has reached a rung but was not in flight"):
        read_ledger(written)
