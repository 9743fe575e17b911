"""The data of the page as plain data: what is fixed about a run, and what is new since a reader last asked."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from experiments.config.named import stored_reward
from experiments.config.parsing.sections import flatten
from experiments.config.parsing.yaml_file import read_yaml
from experiments.runs.run_folder import RunFolder
from experiments.watch.follow import NUMBERS, STATUSES, LedgerFollower

CONFIG, LEDGER = "config.yaml", "ledger.jsonl"
DIGITS: Mapping[str, int] = {"accuracy": 5, "reward": 5, "seconds": 2, "asked": 1, "finished": 1, "log_prob": 2}
MAX_ROWS = 5000
"""Finished trials in one delta; a reader asks again at once for the rest."""
MAX_PENDING = 1000


class WatchedRun:
    """A run folder that is read again and again; ValueError if it holds no run when it is opened.

    Attributes:
        name: the folder as given.
        follower: what its ledger holds so far.
        unread: whether the ledger is known to hold more.
    """

    def __init__(self, folder: Path) -> None:
        self.name, self._config = str(folder), folder / CONFIG
        RunFolder(folder).search_document()
        self.document = read_yaml(self._config)
        self._changed = self._config.stat().st_mtime_ns
        self.follower = LedgerFollower(folder / LEDGER, stored_reward(self.document))
        self.unread = True

    def refresh(self) -> None:
        """Reads what is new in the ledger, in part if it is much, and the configuration if it was changed."""
        self.unread = self.follower.read()
        try:
            changed = self._config.stat().st_mtime_ns
            if changed != self._changed:
                self.document, self._changed = read_yaml(self._config), changed
        except (OSError, ValueError):
            return  # being replaced; it is read at the next call

    def delta(self, generation: int, start: int, num_rungs: int = 0) -> dict[str, Any]:
        """What a reader lacks who has `start` rows and `num_rungs` reports of rungs of a generation of the ledger."""
        follower = self.follower
        if generation != follower.generation:
            start = num_rungs = 0
        start = min(start, follower.num_rows)
        rows = slice(start, start + MAX_ROWS)
        end = min(rows.stop, follower.num_rows)
        return {
            "generation": follower.generation,
            "start": start,
            "more": self.unread or end < follower.num_rows,
            "settings": {key: json.dumps(value) for key, value in flatten(self.document)},
            "slots": follower.table.slots if start == 0 else None,
            "labels": follower.table.labels,
            "columns": {name: _numbers(follower.columns[name][rows], DIGITS.get(name, 0)) for name in NUMBERS},
            "codes": follower.codes[rows],
            "texts": _within(follower.texts, start, end),
            "metrics": _within(follower.metrics, start, end),
            "pending": [
                [trial, round(asked.time, 1)] for trial, asked in islice(follower.pending.items(), MAX_PENDING)
            ],
            "num_pending": len(follower.pending),
            "rungs": [_rung(rung) for rung in follower.rungs[num_rungs:]],
            "unknown": dict(follower.unknown),
            "error": follower.error,
        }


def open_runs(folders: Iterable[Path]) -> list[WatchedRun]:
    """Opens run folders; ValueError if one holds no search, or is given twice."""
    runs, seen = [], set()
    for folder in folders:
        if folder.resolve() in seen:
            raise ValueError(f"each run must be given once, got {folder} more than once")
        seen.add(folder.resolve())
        runs.append(WatchedRun(folder))
    return runs


def describe(runs: Sequence[WatchedRun]) -> dict[str, Any]:
    """What does not change while a page is open."""
    return {"runs": [run.name for run in runs], "statuses": STATUSES, "now": round(time.time(), 1)}


def _rung(rung: Any) -> list[Any]:  # noqa: ANN401 - a row of mixed values
    return [rung.row, rung.trial, rung.epochs, *_numbers([rung.accuracy], 5), bool(rung.goes_on)]


def _numbers(values: Iterable[float], digits: int) -> list[float | None]:
    """Numbers for JSON, as short as they can be; None for NaN."""
    return [
        None if math.isnan(value) else int(value) if value == int(value) else round(value, digits) for value in values
    ]


def _within(values: Mapping[int, Any], start: int, end: int) -> dict[int, Any]:
    return {row: value for row, value in values.items() if start <= row < end}
