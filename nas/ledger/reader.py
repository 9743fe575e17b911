"""Reads a ledger, also after a crash; `nas.ledger.writer` describes the format."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from nas.decisions import Rollout
from nas.descriptions import Description
from nas.fidelity import Fidelity
from nas.files.guarded_read import open_regular
from nas.files.strict_json import parse_json
from nas.plain import description_from_json
from nas.records import LedgerContents, Record
from nas.rungs import RungReport
from nas.trial import Trial, outcome_from_json

Parse = Callable[[Any], Description]

_MAX_LINE = 2**24  # bytes; a trial takes thousands
_CHUNK = 2**20
_MAX_WHOLE = 2**64


def read_ledger(path: Path, parse: Parse = description_from_json) -> LedgerContents:
    """Reads a ledger, which another process may be writing; a missing file is an empty ledger.

    `parse` rebuilds the description of a trial from its JSON. An incomplete last line is dropped with a warning. Raises
    ValueError, which names the line, if one is invalid, and OSError if the file cannot be read.
    """
    return read_valid_lines(path, parse)[0]


class _Reader:
    """Builds the contents of a ledger from its lines."""

    def __init__(self, parse: Parse) -> None:
        self.fidelities: dict[str, Fidelity] = {}
        self.finished: list[Record] = []
        self.pending: dict[int, tuple[Trial, float, str]] = {}
        self.reports: list[RungReport] = []
        self._parse = parse
        self._num_asked = 0

    def take(self, event: Any) -> None:  # noqa: ANN401 - any JSON value
        known = {
            "fidelity": self._take_fidelity,
            "asked": self._take_asked,
            "rung": self._take_rung,
            "finished": self._take_finished,
        }
        name = event.get("event") if isinstance(event, dict) else None
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"the event must be one of {', '.join(known)}, got {name!r:.100}")
        known[name](event)

    def _take_fidelity(self, event: dict[str, Any]) -> None:
        self.fidelities[_text(event, "fingerprint")] = Fidelity.from_json(event.get("fidelity"))

    def _take_asked(self, event: dict[str, Any]) -> None:
        value = event.get("trial")
        if not isinstance(value, dict):
            raise ValueError(f"a trial must be an object, got {value!r:.100}")
        trial_id, fidelity = _whole(value, "id"), _text(value, "fidelity")
        if trial_id != self._num_asked:
            raise ValueError(f"the next trial must be {self._num_asked}, got {trial_id}")
        if fidelity not in self.fidelities:
            raise ValueError(f"the fidelity of trial {trial_id} must be on an earlier line")
        rollout, architecture = Rollout.from_json(value.get("rollout")), self._parse(value.get("architecture"))
        trial = Trial(trial_id, rollout, architecture, self.fidelities[fidelity], _whole(value, "seed"))
        self.pending[trial_id] = trial, _time(event), _text(value, "fingerprint")
        self._num_asked += 1

    def _take_rung(self, event: dict[str, Any]) -> None:
        report = RungReport.from_json(event.get("report"))
        if report.outcome.trial_id not in self.pending:
            raise ValueError(f"trial {report.outcome.trial_id} has reached a rung but was not in flight")
        self.reports.append(report)

    def _take_finished(self, event: dict[str, Any]) -> None:
        outcome = outcome_from_json(event.get("outcome"))
        if outcome.trial_id not in self.pending:
            raise ValueError(f"trial {outcome.trial_id} is finished but was not in flight")
        trial, asked_at, fingerprint = self.pending.pop(outcome.trial_id)
        self.finished.append(Record(trial, outcome, asked_at, _time(event), fingerprint))


def read_valid_lines(path: Path, parse: Parse) -> tuple[LedgerContents, int, dict[str, Fidelity]]:
    """Like `read_ledger`, but also returns the length of the valid lines in bytes and the fidelities by fingerprint."""
    reader, size, warning = _Reader(parse), 0, None
    with suppress(FileNotFoundError), open_regular(path) as file:
        for number, line in enumerate(iter(partial(file.readline, _MAX_LINE + 1), b""), start=1):
            try:
                if _is_torn(line, file):
                    warning = f"{path}: the last line, {number}, is incomplete: still being written, or cut by a crash"
                    break
                reader.take(parse_json(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            size += len(line)
    pending = [trial for trial, _, _ in reader.pending.values()]
    return LedgerContents(reader.finished, pending, reader.reports, warning), size, reader.fidelities


def _is_torn(line: bytes, file: BinaryIO) -> bool:
    """Returns whether a crash cut the file here; a power cut can leave zeros, up to the very end of the file."""
    content = line.rstrip(b"\0")
    if b"\0" in content or (content != line and not _is_zeros(file)):
        raise ValueError("it holds zeros, which a power cut can leave only at the very end of the file")
    if len(content) > _MAX_LINE:
        raise ValueError(f"a line must have at most {_MAX_LINE} bytes")
    return not line.endswith(b"\n")


def _is_zeros(file: BinaryIO) -> bool:
    """Returns whether nothing but zeros follows in the file."""
    return not any(chunk.strip(b"\0") for chunk in iter(partial(file.read, _CHUNK), b""))


def _whole(value: dict[str, Any], name: str) -> int:
    number = value.get(name)
    if type(number) is not int or not 0 <= number < _MAX_WHOLE:
        raise ValueError(f"{name} must be a whole number from 0, below 2**64, got {number!r:.100}")
    return number


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise ValueError(f"{name} must be a string, got {text!r:.100}")
    return text


def _time(event: dict[str, Any]) -> float:
    value = event.get("time")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ValueError(f"time must be seconds since 1970, got {value!r:.100}")
    return float(value)
