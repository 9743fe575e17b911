"""The ledger's writer: append-only, alone, and leaving a file that reads after every crash."""

import errno
import os

import pytest

from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from nas.fidelity import Fidelity, NetworkSpec
from nas.files import append_file
from nas.ledger.writer import Ledger, read_ledger
from nas.search import SearchPlan, search
from nas.trial import Success
from search_spaces.tiny import TINY
from workers.pools.serial_pool import SerialPool

FIDELITY = Fidelity()


def test_several_fidelities_keep_apart(path, make_trial):
    other = Fidelity(network=NetworkSpec(num_repeats=6))
    with Ledger(path) as ledger:
        ledger.append_asked([make_trial(0), make_trial(1, fidelity=other)])
    with Ledger(path) as ledger:
        ledger.append_asked([make_trial(2, fidelity=other)])
    assert [trial.fidelity for trial in read_ledger(path).pending] == [FIDELITY, other, other]
    assert path.read_text().count('"event":"fidelity"') == 2


def test_every_cut_reads_and_can_be_continued(written, make_trial):
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


def test_full_disk_stops_with_a_message_and_a_ledger_that_reads(written, monkeypatch, make_trial):
    real_write = os.write

    def half_then_full(descriptor, data):
        if len(data) > 100:
            return real_write(descriptor, bytes(data[:100]))
        raise OSError(errno.ENOSPC, "No space left on device")

    before = read_ledger(written)
    with Ledger(written) as ledger:
        monkeypatch.setattr(append_file.os, "write", half_then_full)
        with pytest.raises(RuntimeError, match="cannot be written: No space left on device"):
            ledger.append_asked([make_trial(3)])
        assert read_ledger(written) == before
        monkeypatch.setattr(append_file.os, "write", real_write)
        ledger.append_asked([make_trial(3)])
    assert read_ledger(written).pending == [make_trial(2), make_trial(3)]


def test_fidelity_is_written_again_when_its_first_line_did_not_reach_the_disk(path, monkeypatch, make_trial):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Ledger(path) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(append_file.os, "write", full)
            with pytest.raises(RuntimeError, match="cannot be written"):
                ledger.append_asked([make_trial(0)])
        ledger.append_asked([make_trial(0)])
    assert read_ledger(path).pending == [make_trial(0)]


def test_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("nas.files.lock.os.open", refuse)
    with (
        pytest.raises(RuntimeError, match=r"ledger.jsonl.lock cannot be written: Permission denied"),
        Ledger(tmp_path / "ledger.jsonl"),
    ):
        pass


def test_second_writer_is_refused_and_readers_are_not(written):
    with Ledger(written) as ledger:
        with pytest.raises(RuntimeError, match="in use by process"), Ledger(written):
            pass
        ledger.append_finished(Success(2, 0.25))
        assert len(read_ledger(written).finished) == 3


def test_all_events_are_on_the_disk_in_the_end(path, monkeypatch, make_trial):
    synced = []
    monkeypatch.setattr(append_file.os, "fsync", lambda descriptor: synced.append(path.stat().st_size))
    with Ledger(path) as ledger:
        ledger.append_asked([make_trial(0)])
        ledger.append_finished(Success(0, 0.5))
    assert synced[-1] == path.stat().st_size


def test_nothing_is_written_outside_the_block(path):
    ledger = Ledger(path)
    with pytest.raises(RuntimeError, match="must be entered with a with statement"):
        ledger.append_finished(Success(0, 0.5))
    with ledger:
        pass
    with pytest.raises(RuntimeError, match="must be entered with a with statement"):
        ledger.append_finished(Success(0, 0.5))


@pytest.mark.parametrize("lost", range(6))
def test_what_a_power_cut_takes_is_asked_again_and_is_the_same(tmp_path, lost):
    """Whatever end of the file is lost, the run goes on to where it would have come."""

    def run(path, num_trials):
        with Ledger(path) as ledger:
            controller = RegularizedEvolution(TINY.choices, EvolutionSettings(3, 2), seed=0)
            pool = SerialPool(lambda trial: Success(trial.id, (sum(trial.rollout.decisions) % 10) / 10))
            list(search(TINY, controller, pool, SearchPlan(FIDELITY, num_trials), ledger=ledger))
        return [(record.trial, record.outcome) for record in read_ledger(path).finished]

    whole = run(tmp_path / "whole.jsonl", 12)
    path = tmp_path / "cut.jsonl"
    run(path, 8)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) - lost]))
    assert run(path, 12) == whole
