"""The only state of a run: an append-only file of JSON Lines, one writer, safe against crashes.

Three kinds of line::

    {"event": "fidelity", "fingerprint": ..., "fidelity": {...}}    before the first trial that is measured that way
    {"event": "asked", "time": ..., "trial": {id, rollout, architecture, fingerprint, fidelity, seed}}
    {"event": "finished", "time": ..., "outcome": {trial_id, status, ...}}

Every line is in the operating system's hands before anything is built on it, so no end of the process loses one. A
thread brings it to the disk while the search goes on (`nas.files.append_file`). A power cut can therefore take the
last few
lines: the end of the file, and with an event all that was built on it, for that stands behind it. What is left is a
state in which the run has been, and from which it goes on:

- a trial whose *asked* is lost is asked for again, and is the same: what a trial gets depends on the tells before it
  and on its number, and the events of these tells stand before the lost one;
- a trial whose *finished* is lost is measured again, as if the power had failed a moment earlier.

A line that a crash has torn is the last one, and is dropped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.architecture import Architecture
from nas.files.append_file import AppendFile
from nas.files.lock import FileLock
from nas.ledger.reader import LedgerContents, Parse, Record, read_ledger, read_valid_lines
from nas.trial import Outcome, Trial

__all__ = ["Ledger", "LedgerContents", "Record", "read_ledger"]


class Ledger:
    """The one writer of a ledger, held for as long as it is entered.

    Args:
        path: the file; made if missing, in a folder that exists.
        parse: rebuilds the description of a trial from its JSON.

    Attributes:
        contents: what the file held when it was entered.
    """

    def __init__(self, path: Path, parse: Parse = Architecture.from_json) -> None:
        self.contents = LedgerContents()
        self._path = path
        self._parse = parse
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._known_fidelities: set[str] = set()
        self._file: AppendFile | None = None

    def __enter__(self) -> Self:
        """Takes the lock, reads what is there and drops a torn last line.

        Raises:
            RuntimeError: if another process writes this ledger, or the folder cannot be written.
            ValueError: if a line is not valid.
        """
        try:
            self._lock.__enter__()
        except OSError as error:
            raise RuntimeError(f"the run folder {self._path.parent} must be writable: {error.strerror}") from None
        try:
            self.contents, size, fidelities = read_valid_lines(self._path, self._parse)
            self._known_fidelities = set(fidelities)
            self._file = AppendFile(self._path, size)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file once it is on the disk, and releases the lock.

        Raises:
            RuntimeError: if what was appended last did not reach the disk.
        """
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        finally:
            self._lock.__exit__(kind, error, trace)

    def append_asked(self, trials: Iterable[Trial]) -> None:
        """Records that these trials are about to be submitted.

        Raises:
            RuntimeError: if the file cannot be written; it then still reads, as it was before.
        """
        trials = list(trials)
        fidelities = {trial.fidelity.fingerprint: trial.fidelity for trial in trials}
        new = {key: value for key, value in fidelities.items() if key not in self._known_fidelities}
        now = time.time()
        self._append(
            [
                *({"event": "fidelity", "fingerprint": key, "fidelity": value.to_json()} for key, value in new.items()),
                *({"event": "asked", "time": now, "trial": _trial_to_json(trial)} for trial in trials),
            ]
        )
        self._known_fidelities.update(new)

    def append_finished(self, outcome: Outcome) -> None:
        """Records the outcome of a trial that was asked for.

        Raises:
            RuntimeError: if the file cannot be written; it then still reads, as it was before.
        """
        self._append([{"event": "finished", "time": time.time(), "outcome": outcome.to_json()}])

    def _append(self, events: list[dict[str, Any]]) -> None:
        if self._file is None:
            raise RuntimeError("a ledger can be written only within its with block")
        lines = [json.dumps(event, separators=(",", ":"), allow_nan=False) + "\n" for event in events]
        self._file.append("".join(lines).encode())


def _trial_to_json(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "rollout": trial.rollout.to_json(),
        "architecture": trial.architecture.to_json(),
        "fingerprint": trial.architecture.fingerprint,
        "fidelity": trial.fidelity.fingerprint,
        "seed": trial.seed,
    }
