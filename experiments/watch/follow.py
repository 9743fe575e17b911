"""Follows the ledger of a run as it grows: without a lock, reading each line once, as columns of numbers.

The memory of a trial is about 300 bytes; its description stays in the file and is read again where it is shown.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from experiments.watch.slots import SlotTable
from nas.decisions import Rollout
from nas.files.strict_json import parse_json
from nas.rewards import Accuracy, Reward
from nas.trial import FAILURE_KINDS, Outcome, Success, outcome_from_json

STATUSES = ("trained", "cached", *FAILURE_KINDS)
"""What became of a trial; the column ``status`` holds indices."""
NUMBERS = (
    *("trial", "status", "accuracy", "reward", "parameters", "multiply_adds", "seconds"),
    *("asked", "finished", "log_prob", "twin", "stopped"),
)
"""Columns with a number for each finished trial; NaN where there is none."""
MAX_TEXT = 2000
MAX_LINE = 2**24
NAN = float("nan")


class Asked(NamedTuple):
    """A trial that was asked for: time, slots, number of its fingerprint, log-probability, place of its line."""

    time: float
    code: str
    twin: int
    log_prob: float
    place: int


class Rung(NamedTuple):
    """A trial that has reached a rung: number of finished trials before it, epochs, accuracy, whether it goes on.

    At a rung of 0 epochs, where scores decide, the accuracy is NaN.
    """

    row: int
    trial: int
    epochs: int
    accuracy: float
    goes_on: bool


class LedgerFollower:
    """Reads what is new in a ledger.

    Attributes:
        generation: counts how often the file was replaced, after which everything is read anew.
        columns: a number for each finished trial, by name, see `NUMBERS`, in the order of finishing.
        codes: the slots of each finished trial, see `experiments.watch.slots.SlotTable`.
        pending: trials in flight.
        texts: by row, the error of each failure; `metrics` likewise, the further metrics of a success.
        rungs: reports of trials at rungs, in order.
        unknown: number of lines with an event that this version does not know, by its name.
        error: why reading has ended; None while it can go on.
    """

    def __init__(self, path: Path, reward: Reward = Accuracy()) -> None:  # noqa: B008 - it is immutable
        self.path, self.reward = path, reward
        self.generation = -1
        self._reset(0)

    def _reset(self, inode: int) -> None:
        self.generation += 1
        self.table = SlotTable()
        self.columns: dict[str, array[float]] = {name: array("d") for name in NUMBERS}
        self.codes: list[str] = []
        self.pending: dict[int, Asked] = {}
        self.places: dict[int, int] = {}
        self.texts: dict[int, str] = {}
        self.metrics: dict[int, Mapping[str, float]] = {}
        self.rungs: list[Rung] = []
        self.unknown: Counter[str] = Counter()
        self.fidelities: dict[str, Any] = {}
        self.error: str | None = None
        self._inode, self._offset, self._num_lines = inode, 0, 0
        self._twins: dict[str, int] = {}

    @property
    def num_rows(self) -> int:
        """Number of finished trials."""
        return len(self.codes)

    def read(self, limit: int = 2**22) -> bool:
        """Takes new lines, up to about `limit` bytes; returns whether there are more."""
        if self.path.exists() and not self.path.is_file():
            self.error = f"{self.path} must be a file"  # opening a named pipe would block
            return False
        try:
            with self.path.open("rb") as file:
                return self._read(file, limit)
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            self.error = str(error)
            return False

    def _read(self, file: BinaryIO, limit: int) -> bool:
        status = os.fstat(file.fileno())
        if status.st_size < self._offset or (self._inode and status.st_ino != self._inode):
            self._reset(status.st_ino)
        self._inode = status.st_ino
        if self.error is not None:
            return False
        file.seek(self._offset)
        end = min(status.st_size, self._offset + limit)
        while self._offset < end:
            line = file.readline(MAX_LINE)
            is_zeros = b"\0" in line and not line.strip(b"\0\n")
            if not line.endswith(b"\n") or is_zeros:  # still being written, or cut by a crash
                if len(line) == MAX_LINE:
                    raise ValueError(f"{self.path}, line {self._num_lines + 1}: it must be shorter than {MAX_LINE}")
                return False
            self._take_line(line)
        return self._offset < status.st_size

    def _take_line(self, line: bytes) -> None:
        try:
            self._take(parse_json(line))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            what = str(error) if isinstance(error, ValueError) else "it is not an event of a ledger"
            raise ValueError(f"{self.path}, line {self._num_lines + 1}: {what}") from None
        self._num_lines += 1
        self._offset += len(line)

    def _take(self, event: Any) -> None:  # noqa: ANN401 - any JSON value
        known = {"fidelity": self._take_fidelity, "asked": self._take_asked, "finished": self._take_finished}
        known["rung"] = self._take_rung
        name = str(event["event"])
        if name in known:
            known[name](event)
        else:
            self.unknown[name[:100]] += 1

    def _take_fidelity(self, event: dict[str, Any]) -> None:
        self.fidelities[event["fingerprint"]] = event["fidelity"]

    def _take_asked(self, event: dict[str, Any]) -> None:
        trial = event["trial"]
        twin = self._twins.setdefault(str(trial["fingerprint"]), len(self._twins))
        code, log_prob = self.table.encode(trial["architecture"]), Rollout.from_json(trial["rollout"]).log_prob
        self.pending[int(trial["id"])] = Asked(float(event["time"]), code, twin, log_prob, self._offset)
        self.places[int(trial["id"])] = self._offset

    def _take_finished(self, event: dict[str, Any]) -> None:
        outcome = outcome_from_json(event["outcome"])
        asked = self.pending.pop(outcome.trial_id, None)
        if asked is None:
            raise ValueError(f"trial {outcome.trial_id} is finished but was not in flight")
        values = {"trial": outcome.trial_id, "seconds": outcome.train_seconds, "finished": float(event["time"])}
        values |= {"asked": asked.time, "twin": asked.twin, "log_prob": asked.log_prob, **self._result(outcome)}
        for name, column in self.columns.items():
            column.append(values.get(name, NAN))
        self.codes.append(asked.code)

    def _result(self, outcome: Outcome) -> dict[str, float]:
        if not isinstance(outcome, Success):
            self.texts[self.num_rows] = outcome.error[:MAX_TEXT]
            return {"status": STATUSES.index(outcome.kind)}
        if outcome.metrics:
            self.metrics[self.num_rows] = outcome.metrics
        stopped = outcome.stopped_after
        rewarded = {"accuracy": outcome.accuracy, "reward": self._reward(outcome)}
        return {
            "status": int(outcome.cached),
            **({} if outcome.was_only_scored else rewarded),
            "parameters": outcome.num_parameters,
            "multiply_adds": outcome.num_multiply_adds,
            "stopped": NAN if stopped is None else stopped,
        }

    def _reward(self, outcome: Success) -> float:
        try:
            return self.reward(outcome)
        except (ValueError, KeyError):  # a reward of metrics that this trial lacks
            return NAN

    def _take_rung(self, event: dict[str, Any]) -> None:
        report = event["report"]
        outcome = report["outcome"]
        epochs = int(report["num_epochs"])
        accuracy = float(outcome.get("accuracy", NAN)) if epochs else NAN
        self.rungs.append(Rung(self.num_rows, int(outcome["trial_id"]), epochs, accuracy, report["goes_on"]))

    def asked_line(self, trial: int) -> dict[str, Any]:
        """Reads the trial as it was asked for again: id, architecture, fidelity, ...; KeyError if there is none."""
        with self.path.open("rb") as file:
            file.seek(self.places[trial])
            return dict(parse_json(file.readline(MAX_LINE))["trial"])
