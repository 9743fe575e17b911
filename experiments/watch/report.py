"""`nas report`: the page of `nas watch` as one file with its data inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.watch import analysis
from experiments.watch.page import report_page
from experiments.watch.payload import WatchedRun, describe, open_runs
from experiments.watch.trial import trial_details
from nas.files.atomic_write import write_text

MAX_DRAWN = 100
"""Trials of a run whose cells are in the file: the best of distinct architectures. Of others it lists the decisions."""
MAX_COUNTED = 20
"""Trials of a run whose cost by stage is in the file."""
REPLAY_SECONDS = 30.0


def write_report(folders: Sequence[Path], out: Path) -> None:
    """Writes the report of one or more runs.

    Raises:
        ValueError: If a folder holds no search, a ledger is not valid, or the file does not end in .html.
        RuntimeError: If the file cannot be written.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"a report must end in .html, got {out.name!r:.100}")
    text = report_page(report_data(open_runs(folders)))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)


def report_data(runs: Sequence[WatchedRun]) -> dict[str, Any]:
    """Everything that the page shows of the runs as they are now; ValueError if a ledger is not valid."""
    deltas = [_all_of(run) for run in runs]
    found = [_details(run) for run in runs]
    asked = {run.name: _attempt("preferences", run=run.name, max_seconds=REPLAY_SECONDS) for run in runs}
    return {
        **describe(runs),
        "deltas": deltas,
        "details": found,
        "comparison": _attempt("comparison", runs=[run.name for run in runs]),
        "preferences": [asked[run.name] for run in runs],
    }


def _all_of(run: WatchedRun) -> list[dict[str, Any]]:
    run.refresh()
    while run.unread:
        run.refresh()
    if run.follower.error is not None:
        raise ValueError(run.follower.error)
    deltas = [run.delta(-1, 0)]
    while deltas[-1]["more"]:
        last = deltas[-1]
        start = last["start"] + len(last["codes"])
        deltas.append(run.delta(last["generation"], start, len(run.follower.rungs)))
    return deltas


def _details(run: WatchedRun) -> dict[int, Any]:
    found = {}
    for rank, trial in enumerate(best_trials(run, MAX_DRAWN)):
        value = trial_details(run.follower, trial)
        if rank < MAX_COUNTED and value["network"] is not None:
            value["stages"] = _attempt("stages", architecture=value["architecture"], network=value["network"])
        found[trial] = value
    return found


def best_trials(run: WatchedRun, count: int) -> list[int]:
    """Numbers of the best trials, as `LedgerContents.best` ranks them; those without a reward come last."""
    columns = run.follower.columns
    rewards, stopped = columns["reward"], columns["stopped"]
    earliest: dict[float, int] = {}
    for row in sorted(range(run.follower.num_rows), key=lambda row: math.isnan(rewards[row])):
        earliest.setdefault(columns["twin"][row], row)

    def rank(row: int) -> tuple[float, float, float]:
        reward, epochs = rewards[row], stopped[row]
        if math.isnan(reward):
            return math.inf, 0.0, columns["trial"][row]
        return -math.inf if math.isnan(epochs) else -epochs, -reward, columns["trial"][row]

    return [int(columns["trial"][row]) for row in sorted(earliest.values(), key=rank)[:count]]


def _attempt(kind: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - plain data
    """An answer of `experiments.watch.analysis`, in the form in which a server gives it."""
    try:
        return {"result": analysis.ANSWERS[kind](**arguments)}
    except (ValueError, OSError, RuntimeError) as error:
        return {"error": str(error)}
