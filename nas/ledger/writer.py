"""Writes a ledger: the only state of a run, an append-only file of JSON Lines with a single writer.

There are four kinds of lines::

    {"event": "fidelity", "fingerprint": ..., "fidelity": {...}}    before the first trial with that fidelity
    {"event": "asked", "time": ..., "trial": {id, rollout, architecture, fingerprint, fidelity, seed}}
    {"event": "rung", "time": ..., "report": {num_epochs, goes_on, outcome}}    with early stopping only
    {"event": "finished", "time": ..., "outcome": {trial_id, status, ...}}

Each line is passed to the operating system before the search acts on it, so no line is lost when the process ends or is
killed. A thread syncs the file to disk in the background (`nas.files.append_file`), so a power cut can lose the last
lines and, with them, everything that followed. The search resumes from the remaining lines:

- If *asked* is lost, the trial is asked for again with the same result, since it depends only on the tells before it.
- If *finished* is lost, the trial is evaluated again.
- If *rung* is lost, the trial is evaluated again from the rung before.

An incomplete last line is dropped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.files.append_file import AppendFile
from nas.files.lock import FileLock
from nas.ledger.reader import Parse, read_ledger, read_valid_lines
from nas.plain import description_from_json
from nas.records import LedgerContents
from nas.rungs import RungReport
from nas.trial import Outcome, Trial

__all__ = ["Ledger", "read_ledger"]


class Ledger:
    """Writes a ledger file in an existing folder; a context manager that holds the file's lock.

    `parse` rebuilds the description of a trial from its JSON; `contents` are those of the file on entering.

    Example:
        >>> import nas, pathlib
        >>> with nas.Ledger(pathlib.Path("ledger.jsonl")) as ledger:
        ...     len(ledger.contents.finished)
        0
    """

    def __init__(self, path: Path, parse: Parse = description_from_json) -> None:
        self.contents = LedgerContents()
        self._path, self._parse = path, parse
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._known_fidelities: set[str] = set()
        self._file: AppendFile | None = None

    def __enter__(self) -> Self:
        """Takes the lock, reads the file and drops an incomplete last line.

        Raises RuntimeError if another process writes it, StorageError if the folder is not writable, and ValueError for
        an invalid line.
        """
        self._lock.__enter__()
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
        """Syncs and closes the file and releases the lock; raises StorageError if the last lines were not synced."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        finally:
            self._lock.__exit__(kind, error, trace)

    def append_asked(self, trials: Iterable[Trial]) -> None:
        """Records trials about to be submitted; raises StorageError, and keeps earlier lines, if it cannot write."""
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
        """Records the outcome of a trial; raises StorageError, and keeps earlier lines, if it cannot write."""
        self._append([{"event": "finished", "time": time.time(), "outcome": outcome.to_json()}])

    def append_report(self, report: RungReport) -> None:
        """Records a trial at a rung with the decision; raises RuntimeError, and keeps earlier lines, if it cannot."""
        self._append([{"event": "rung", "time": time.time(), "report": report.to_json()}])

    def _append(self, events: list[dict[str, Any]]) -> None:
        if self._file is None:
            raise RuntimeError("a ledger must be entered with a with statement before it is written")
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
