"""Progress of a search: counts of its trials, and their display."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from rich.console import Console
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.runs.live_display import LiveDisplay, describe_seconds
from nas.protocols import Pool
from nas.rewards import Accuracy, Reward
from nas.trial import Failure, Outcome, Success, Trial

NUM_RECENT = 20
NUM_SHARES = 2
LINE_SECONDS = 30.0


class Tally:
    """Counts the outcomes of a search, those of `earlier` sessions first.

    Attributes:
        num_trials: Number of trials of the finished run.
        num_done: Finished trials, including failures, cached ones and those of earlier sessions.
        num_running: Trials in flight.
        num_failed: Failures.
        last_failure: The last one.
        num_stopped: Successes that early stopping ended.
        num_cached: Outcomes taken from an earlier trial of the same architecture.
        accuracies: Of all successes but those that were only scored, in the order of finishing.
        incumbent: The success with the highest reward so far; the earliest one among equals.
        shares: Shares of the running trials that are done, by trial.
        is_stopping: Whether no more trials are started.
    """

    def __init__(
        self,
        num_trials: int,
        reward: Reward = Accuracy(),  # noqa: B008 - it is immutable
        earlier: Iterable[Outcome] = (),
    ) -> None:
        self.num_trials = num_trials
        self._reward = reward
        self.num_done = 0
        self.num_running = 0
        self.num_failed = 0
        self.last_failure: Failure | None = None
        self.num_stopped = 0
        self.num_cached = 0
        self.accuracies: list[float] = []
        self.incumbent: Success | None = None
        self.shares: Mapping[int, float] = {}
        self.is_stopping = False
        self._took: float | None = None
        self._started = time.monotonic()
        self._num_earlier = 0
        for outcome in earlier:
            self.take(outcome)

    def take(self, outcome: Outcome) -> None:
        """Counts an outcome."""
        self.num_done += 1
        if isinstance(outcome, Failure):
            self.num_failed += 1
            self.last_failure = outcome
            return
        self.num_cached += outcome.cached
        self.num_stopped += outcome.stopped_after is not None
        if outcome.was_only_scored:
            return
        self.accuracies.append(outcome.accuracy)
        if self.incumbent is None or self._rank(outcome) > self._rank(self.incumbent):
            self.incumbent = outcome

    def _rank(self, success: Success) -> tuple[float, float, int]:
        return success.progress, self._reward(success), -success.trial_id

    def start_session(self) -> None:
        """Starts measuring the rate: outcomes counted before belong to earlier sessions."""
        self._num_earlier = self.num_done
        self._started = time.monotonic()

    def end_session(self) -> None:
        """Ends the session: there is no time left to estimate."""
        self._took = time.monotonic() - self._started

    @property
    def mean_recent(self) -> float | None:
        """Mean accuracy of the last 20 successes."""
        recent = self.accuracies[-NUM_RECENT:]
        return sum(recent) / len(recent) if recent else None

    @property
    def trials_per_hour(self) -> float | None:
        """Rate of this session; None during its first second."""
        seconds = time.monotonic() - self._started
        num_done = self.num_done - self._num_earlier
        return 3600 * num_done / seconds if num_done and seconds >= 1 else None

    @property
    def seconds_left(self) -> float | None:
        """Estimated time to the end of the run at the rate of this session."""
        rate = self.trials_per_hour
        return 3600 * max(self.num_trials - self.num_done, 0) / rate if rate else None

    def facts(self) -> list[tuple[str, str]]:
        """Returns what is shown, as pairs of a name and a text."""
        best = self.incumbent
        rate, mean = self.trials_per_hour, self.mean_recent
        return [
            ("done", f"{self.num_done} of {self.num_trials}"),
            ("running", f"{self.num_running}{self._shares()}"),
            ("failed", str(self.num_failed)),
            ("cached", str(self.num_cached)),
            ("incumbent", f"{best.accuracy:.2%} (trial {best.trial_id})" if best else "-"),
            (f"mean of the last {NUM_RECENT}", f"{mean:.2%}" if mean is not None else "-"),
            ("trials per hour", f"{rate:,.0f}" if rate else "-"),
            self._time(),
        ]

    def _shares(self) -> str:
        """How far the first running trials are."""
        shown = [f"trial {trial} {share:.0%}" for trial, share in list(self.shares.items())[:NUM_SHARES]]
        return f" ({', '.join(shown)}{', ...' * (len(self.shares) > NUM_SHARES)})" if shown and self.num_running else ""

    def _time(self) -> tuple[str, str]:
        if self._took is not None:
            return "this session", describe_seconds(self._took)
        if self.is_stopping:
            return "time left", "stopping after the running trials"
        return "time left", describe_seconds(self.seconds_left) if self.seconds_left is not None else "-"


class WatchedPool:
    """Wraps a pool and counts its trials in flight in a tally."""

    def __init__(self, pool: Pool, tally: Tally) -> None:
        self._pool = pool
        self._tally = tally

    @property
    def capacity(self) -> int:
        """Capacity of the pool."""
        return self._pool.capacity

    def submit(self, trial: Trial) -> None:
        """Submits a trial to the pool."""
        self._pool.submit(trial)
        self._tally.num_running += 1

    def next_outcome(self) -> Outcome:
        """Returns the next outcome of the pool."""
        outcome = self._pool.next_outcome()
        self._tally.num_running -= 1
        return outcome

    def __enter__(self) -> Self:
        """Starts the pool."""
        self._pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 - as a pool takes it
        """Stops the pool."""
        self._pool.__exit__(*error)


class SearchDisplay(LiveDisplay):
    """Shows a tally while it is entered: a live panel in a terminal, elsewhere a line of text every half minute.

    Args:
        title: What is shown.
        tally: The counts.
        console: Where to draw.
        progress: Returns the shares of the running trials that are done, by trial.
    """

    def __init__(
        self, title: str, tally: Tally, console: Console, progress: Callable[[], Mapping[int, float]] = dict
    ) -> None:
        super().__init__(console)
        self._title = title
        self._tally = tally
        self._progress = progress
        self._due = 0.0
        self._written = ""
        self._lock = threading.RLock()
        self._ended = threading.Event()

    def render(self) -> Panel:
        """Returns the panel."""
        self._tally.shares = self._progress()
        facts = self._tally.facts()
        table = Table.grid(padding=(0, 2))
        for (left, left_text), (right, right_text) in zip(facts[:4], facts[4:], strict=True):
            table.add_row(Text(left, "dim"), Text(left_text), Text(right, "dim"), Text(right_text))
        rows = Table.grid(expand=True)
        rows.add_row(ProgressBar(total=self._tally.num_trials, completed=self._tally.num_done))
        rows.add_row(table)
        return Panel(rows, title=Text(self._title), width=min(self._console.width, 90))

    def update(self) -> None:
        """Prints a line if one is due: after the first outcome, then at most one every `LINE_SECONDS`."""
        if time.monotonic() >= self._due:
            self._write()

    def finish(self) -> None:
        """Prints the last state, unless it was printed already."""
        self._ended.set()
        self._tally.end_session()
        self._write()

    def __enter__(self) -> Self:
        """Starts drawing, or the lines that tell the progress of long trials."""
        super().__enter__()
        if not self.is_live:
            threading.Thread(target=self._write_regularly, daemon=True).start()
        return self

    def _write_regularly(self) -> None:
        while not self._ended.wait(LINE_SECONDS):
            self.update()

    def _write(self) -> None:
        with self._lock:
            self._due = time.monotonic() + LINE_SECONDS
            if self.is_live:
                return
            self._tally.shares = self._progress()
            told = f"{self._tally.num_done} {self._tally.shares}"
            if told != self._written:
                self._written = told
                self.say(f"{self._title}: " + ", ".join(f"{name} {text}" for name, text in self._tally.facts()))
