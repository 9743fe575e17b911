"""Reading a ledger back, whatever state a crash left it in; `nas.ledger.writer` describes the lines and writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from nas.architecture import Architecture
from nas.decisions import Rollout
from nas.fidelity import Fidelity
from nas.files.strict_json import parse_json
from nas.rewards import Accuracy, Reward
from nas.trial import Description, Outcome, Success, Trial, outcome_from_json

Parse = Callable[[Any], Description]

_MAX_LINE = 2**24  # bytes; a trial takes thousands
_MAX_UNSYNCED = 2**24
_MAX_WHOLE = 2**64


@dataclass(frozen=True, slots=True)
class Record:
    """A finished trial.

    Attributes:
        trial: what was measured.
        outcome: what came of it.
        asked_at: when it was asked for, in seconds since 1970.
        finished_at: when its outcome came, in seconds since 1970.
        stored_fingerprint: of the architecture, as the ledger has it; None where it does not come from there.
    """

    trial: Trial
    outcome: Outcome
    asked_at: float
    finished_at: float
    stored_fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """The architecture's, taken on trust where it is stored: it takes longer to compute than all else to read."""
        return self.trial.architecture.fingerprint if self.stored_fingerprint is None else self.stored_fingerprint


@dataclass(frozen=True, slots=True)
class LedgerContents:
    """What a ledger holds.

    Attributes:
        finished: finished trials in the order of finishing.
        pending: trials asked for and not finished, in the order of asking.
        warning: what was dropped from the end of the file, or None.
    """

    finished: list[Record] = field(default_factory=list)
    pending: list[Trial] = field(default_factory=list)
    warning: str | None = None

    def best(self, count: int, reward: Reward = Accuracy()) -> list[Record]:  # noqa: B008 - it is immutable
        """The successes with the highest reward, best first, the earliest of each fingerprint only."""
        firsts: dict[str, Record] = {}
        for record in self.finished:
            if isinstance(record.outcome, Success):
                firsts.setdefault(record.fingerprint, record)

        def rank(record: Record) -> tuple[float, int]:
            return reward(record.outcome) if isinstance(record.outcome, Success) else -math.inf, -record.trial.id

        return sorted(firsts.values(), key=rank, reverse=True)[:count]


def read_ledger(path: Path, parse: Parse = Architecture.from_json) -> LedgerContents:
    """Reads a ledger, which may be growing meanwhile.

    Args:
        path: the file; one that does not exist reads as empty.
        parse: rebuilds the description of a trial from its JSON.

    Raises:
        ValueError: if a line is not valid, a torn last one excepted; the message names the line.
        OSError: if the file cannot be read.
    """
    return read_valid_lines(path, parse)[0]


class _Reader:
    """Folds the lines of a ledger into its contents."""

    def __init__(self, parse: Parse) -> None:
        self.fidelities: dict[str, Fidelity] = {}
        self.finished: list[Record] = []
        self.pending: dict[int, tuple[Trial, float, str]] = {}
        self._parse = parse
        self._num_asked = 0

    def take(self, event: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        known = {"fidelity": self._take_fidelity, "asked": self._take_asked, "finished": self._take_finished}
        name = event.get("event") if isinstance(event, dict) else None
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"the event must be one of {', '.join(known)}, got {name!r:.100}")
        known[name](event)

    def _take_fidelity(self, event: dict[str, Any]) -> None:
        fidelity = Fidelity.from_json(event.get("fidelity"))
        self.fidelities[_text(event, "fingerprint")] = fidelity

    def _take_asked(self, event: dict[str, Any]) -> None:
        value = event.get("trial")
        if not isinstance(value, dict):
            raise ValueError(f"a trial must be an object, got {value!r:.100}")
        trial_id, fidelity = _whole(value, "id"), _text(value, "fidelity")
        if trial_id != self._num_asked:
            raise ValueError(f"the next trial must be {self._num_asked}, got {trial_id}")
        if fidelity not in self.fidelities:
            raise ValueError(f"trial {trial_id} has a fidelity that no line before it describes")
        rollout, architecture = Rollout.from_json(value.get("rollout")), self._parse(value.get("architecture"))
        trial = Trial(trial_id, rollout, architecture, self.fidelities[fidelity], _whole(value, "seed"))
        self.pending[trial_id] = trial, _time(event), _text(value, "fingerprint")
        self._num_asked += 1

    def _take_finished(self, event: dict[str, Any]) -> None:
        outcome = outcome_from_json(event.get("outcome"))
        if outcome.trial_id not in self.pending:
            raise ValueError(f"trial {outcome.trial_id} is finished without being in flight")
        trial, asked_at, fingerprint = self.pending.pop(outcome.trial_id)
        self.finished.append(Record(trial, outcome, asked_at, _time(event), fingerprint))


def read_valid_lines(path: Path, parse: Parse) -> tuple[LedgerContents, int, dict[str, Fidelity]]:
    """As `read_ledger`; returns also the length in bytes of the valid lines, and the fidelities they describe."""
    reader, size, warning = _Reader(parse), 0, None
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} must be a file")  # to open a pipe would wait for ever
    with suppress(FileNotFoundError), path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            try:
                if _is_torn(line, file):
                    warning = (
                        f"{path}: line {number}, the last, is not complete: it is being written, or a crash tore it"
                    )
                    break
                reader.take(parse_json(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            size += len(line)
    pending = [trial for trial, _, _ in reader.pending.values()]
    return LedgerContents(reader.finished, pending, warning), size, reader.fidelities


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(_MAX_LINE + 1):
        yield line


def _is_torn(line: bytes, file: BinaryIO) -> bool:
    """Whether a crash cut the file here.

    A power cut can leave blocks of zeros in what was not yet synced, with later blocks behind them.
    """
    if len(line) > _MAX_LINE:
        raise ValueError(f"a line must have at most {_MAX_LINE} bytes")
    if b"\0" in line:
        return len(file.read(_MAX_UNSYNCED)) < _MAX_UNSYNCED
    return not line.endswith(b"\n")


def _whole(value: dict[str, Any], name: str) -> int:
    number = value.get(name)
    if type(number) is not int or not 0 <= number < _MAX_WHOLE:
        raise ValueError(f"{name} must be a whole number from 0, below 2**64, got {number!r:.100}")
    return number


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise ValueError(f"{name} must be text, got {text!r:.100}")
    return text


def _time(event: dict[str, Any]) -> float:
    value = event.get("time")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ValueError(f"time must be seconds since 1970, got {value!r:.100}")
    return float(value)
