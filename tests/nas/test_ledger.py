"""The ledger: append-only, one writer, and readable after every crash."""

import errno
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas import ledger as ledger_module
from nas.architecture import Architecture, Block, Cell, Edge
from nas.decisions import Rollout
from nas.fidelity import Fidelity, NetworkSpec
from nas.ledger import Ledger, read_ledger
from nas.trial import Failure, Success, Trial

FIDELITY = Fidelity()


def make_trial(trial_id, op="identity", fidelity=FIDELITY):
    cell = Cell((Block(Edge(0, op), Edge(1, "conv_3x3")),))
    return Trial(trial_id, Rollout((1, 2, trial_id), -1.5), Architecture(cell, cell), fidelity, seed=trial_id + 7)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def written(path):
    """Two finished trials and one in flight."""
    with Ledger(path) as ledger:
        ledger.append_asked([make_trial(0), make_trial(1, "avg_pool_3x3")])
        ledger.append_finished(Success(1, 0.5, num_parameters=10, metrics={"test_accuracy": 0.4}))
        ledger.append_asked([make_trial(2)])
        ledger.append_finished(Failure(0, "diverged", "loss is nan"))
    return path


def test_what_is_written_is_read_back(written):
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


def test_several_fidelities_keep_apart(path):
    other = Fidelity(network=NetworkSpec(num_repeats=6))
    with Ledger(path) as ledger:
        ledger.append_asked([make_trial(0), make_trial(1, fidelity=other)])
    with Ledger(path) as ledger:
        ledger.append_asked([make_trial(2, fidelity=other)])
    assert [trial.fidelity for trial in read_ledger(path).pending] == [FIDELITY, other, other]
    assert path.read_text().count('"event":"fidelity"') == 2


def test_best_has_each_architecture_once(path):
    with Ledger(path) as ledger:
        ledger.append_asked(
            [make_trial(i, op) for i, op in enumerate(["identity", "conv_1x1", "identity", "conv_3x3"])]
        )
        for trial_id, accuracy in ((2, 0.8), (0, 0.9), (1, 0.7)):
            ledger.append_finished(Success(trial_id, accuracy))
        ledger.append_finished(Failure(3, "error", "no"))
    best = read_ledger(path).best(5)
    assert [(record.trial.id, record.outcome.accuracy) for record in best] == [(2, 0.8), (1, 0.7)]


def test_every_cut_reads_and_can_be_continued(written):
    data = written.read_bytes()
    boundaries = {0} | {index + 1 for index, byte in enumerate(data) if byte == ord("\n")}
    for cut in range(0, len(data), 23):
        written.write_bytes(data[:cut])
        contents = read_ledger(written)
        assert (contents.warning is None) == (cut in boundaries)
        with Ledger(written) as ledger:
            assert ledger.contents == contents
            asked = len(contents.finished) + len(contents.pending)
            ledger.append_asked([make_trial(asked)])
        again = read_ledger(written)
        assert again.warning is None
        assert again.pending == [*contents.pending, make_trial(asked)]
        assert again.finished == contents.finished


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 7"),
        ("[1]", "the event must be one of"),
        ('{"event": "vanished"}', "the event must be one of fidelity, asked, finished, got 'vanished'"),
        ('{"event": ["asked"]}', "the event must be one of"),
        (
            '{"event":"finished","time":1,"outcome":{"status":"success","trial_id":1,"accuracy":0.5}}',
            "without being in",
        ),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":NaN}}', "must be finite"),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":1e999}}', "finite"),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2,"accuracy":2}}', "between 0 and 1"),
        ('{"event":"finished","time":1,"outcome":{"status":"success","trial_id":2}}', "not complete"),
        ('{"event":"finished","time":1,"outcome":{"status":"maybe","trial_id":2}}', "status"),
        ('{"event":"finished","time":"now","outcome":{"status":"success","trial_id":2,"accuracy":0}}', "time must be"),
        ('{"event":"asked","time":1,"trial":{"id":9}}', "must be"),
        ('{"event":"asked","time":1,"trial":7}', "a trial must be an object"),
        ('{"event":"fidelity","fingerprint":"x","fidelity":{"network":{"num_filters":-2}}}', "network.num_filters"),
        ("[" * 100_000, "nested too deeply"),
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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_value_gives_anything_but_a_clear_error(tmp_path_factory, data):
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


def test_full_disk_stops_with_a_message_and_a_ledger_that_reads(written, monkeypatch):
    real_write = os.write

    def half_then_full(descriptor, data):
        if len(data) > 100:
            return real_write(descriptor, bytes(data[:100]))
        raise OSError(errno.ENOSPC, "No space left on device")

    before = read_ledger(written)
    with Ledger(written) as ledger:
        monkeypatch.setattr(ledger_module.os, "write", half_then_full)
        with pytest.raises(RuntimeError, match="cannot be written: No space left on device"):
            ledger.append_asked([make_trial(3)])
        assert read_ledger(written) == before
        monkeypatch.setattr(ledger_module.os, "write", real_write)
        ledger.append_asked([make_trial(3)])
    assert read_ledger(written).pending == [make_trial(2), make_trial(3)]


def test_fidelity_is_written_again_when_its_first_line_did_not_reach_the_disk(path, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Ledger(path) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(ledger_module.os, "write", full)
            with pytest.raises(RuntimeError, match="cannot be written"):
                ledger.append_asked([make_trial(0)])
        ledger.append_asked([make_trial(0)])
    assert read_ledger(path).pending == [make_trial(0)]


def test_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("nas.lock.os.open", refuse)
    with pytest.raises(RuntimeError, match="must be writable: Permission denied"), Ledger(tmp_path / "ledger.jsonl"):
        pass


def test_second_writer_is_refused_and_readers_are_not(written):
    with Ledger(written) as ledger:
        with pytest.raises(RuntimeError, match="in use by process"), Ledger(written):
            pass
        ledger.append_finished(Success(2, 0.25))
        assert len(read_ledger(written).finished) == 3


def test_each_event_is_synchronized(path, monkeypatch):
    synced = []
    with Ledger(path) as ledger:
        monkeypatch.setattr(ledger_module.os, "fsync", lambda descriptor: synced.append(path.read_bytes()[-1:]))
        ledger.append_asked([make_trial(0)])
        ledger.append_finished(Success(0, 0.5))
    assert synced == [b"\n", b"\n"]
