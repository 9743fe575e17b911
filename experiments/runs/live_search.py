"""Progress of a search: counts of its trials, and their display."""

from __future__ import annotations

import time
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
LINE_SECONDS = 30.0


class Tally:
    """Counts the outcomes of a search.

    Attributes:
        num_trials: Number of trials of the finished run.
        num_done: Finished trials, including failures, cached ones and those of earlier sessions.
        num_running: Trials in flight.
        num_failed: Failures.
        num_cached: Outcomes taken from an earlier trial of the same architecture.
        accuracies: Of all successes, in the order of finishing.
        incumbent: The success with the highest reward so far; the earliest one among equals.
    """

    def __init__(self, num_trials: int, reward: Reward = Accuracy()) -> None:  # noqa: B008 - it is immutable
        self.num_trials = num_trials
        self._reward = reward
        self.num_done = 0
        self.num_running = 0
        self.num_failed = 0
        self.num_cached = 0
        self.accuracies: list[float] = []
        self.incumbent: Success | None = None
        self._started = time.monotonic()
        self._num_earlier = 0

    def take(self, outcome: Outcome) -> None:
        """Counts an outcome."""
        self.num_done += 1
        if isinstance(outcome, Failure):
            self.num_failed += 1
            return
        self.num_cached += outcome.cached
        self.accuracies.append(outcome.accuracy)
        if self.incumbent is None or self._rank(outcome) > self._rank(self.incumbent):
            self.incumbent = outcome

    def _rank(self, success: Success) -> tuple[float, int]:
        return self._reward(success), -success.trial_id

    def start_session(self) -> None:
        """Starts measuring the rate: outcomes counted before belong to earlier sessions."""
        self._num_earlier = self.num_done
        self._started = time.monotonic()

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
        rate, left, mean = self.trials_per_hour, self.seconds_left, self.mean_recent
        return [
            ("done", f"{self.num_done} of {self.num_trials}"),
            ("running", str(self.num_running)),
            ("failed", str(self.num_failed)),
            ("cached", str(self.num_cached)),
            ("incumbent", f"{best.accuracy:.2%} (trial {best.trial_id})" if best else "-"),
            (f"mean of the last {NUM_RECENT}", f"{mean:.2%}" if mean is not None else "-"),
            ("trials per hour", f"{rate:,.0f}" if rate else "-"),
            ("time left", describe_seconds(left) if left is not None else "-"),
        ]


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
    """Shows a tally while it is entered: a live panel in a terminal, elsewhere a line of text every half minute."""

    def __init__(self, title: str, tally: Tally, console: Console) -> None:
        super().__init__(console)
        self._title = title
        self._tally = tally
        self._due = 0.0
        self._num_written = -1

    def render(self) -> Panel:
        """Returns the panel."""
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
        if self._num_written != self._tally.num_done:
            self._write()

    def _write(self) -> None:
        self._due = time.monotonic() + LINE_SECONDS
        self._num_written = self._tally.num_done
        if not self.is_live:
            self.say(f"{self._title}: " + ", ".join(f"{name} {text}" for name, text in self._tally.facts()))
