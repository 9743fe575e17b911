"""The only state of a run: an append-only file of JSON Lines, one writer, safe against crashes.

Three kinds of line::

    {"event": "fidelity", "fingerprint": ..., "fidelity": {...}}    before the first trial that is measured that way
    {"event": "asked", "time": ..., "trial": {id, rollout, architecture, fingerprint, fidelity, seed}}
    {"event": "finished", "time": ..., "outcome": {trial_id, status, ...}}

Every line reaches the disk before anything is built on it. A crash can only tear the last line, which is then dropped.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.architecture import Architecture
from nas.ledger_reader import LedgerContents, Parse, Record, read_ledger, read_valid_lines
from nas.lock import FileLock
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
        self._descriptor = -1
        self._size = 0

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
            self.contents, self._size, fidelities = read_valid_lines(self._path, self._parse)
            self._known_fidelities = set(fidelities)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._descriptor, self._size)
            _sync_folder(self._path.parent)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file and releases the lock."""
        os.close(self._descriptor)
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
        lines = [json.dumps(event, separators=(",", ":"), allow_nan=False) + "\n" for event in events]
        data = "".join(lines).encode()
        try:
            _write_all(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise RuntimeError(
                f"{self._path} cannot be written: {error.strerror}; all that it holds is safe: make room "
                "and give the same command again"
            ) from error
        self._size += len(data)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """Makes a new file's name as durable as its contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems do not sync folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trial_to_json(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "rollout": trial.rollout.to_json(),
        "architecture": trial.architecture.to_json(),
        "fingerprint": trial.architecture.fingerprint,
        "fidelity": trial.fidelity.fingerprint,
        "seed": trial.seed,
    }
