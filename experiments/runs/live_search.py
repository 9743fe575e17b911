"""How far a running search is: a live panel in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.runs.printing import say
from nas.protocols import Pool
from nas.rewards import Accuracy, Reward
from nas.trial import Failure, Outcome, Success, Trial

NUM_RECENT = 20
LINE_SECONDS = 30.0


class Tally:
    """Counts what a search has done.

    Args:
        num_trials: how many trials the finished run has.
        reward: of the run, by which its best trial is chosen.
        clock: seconds that only grow.

    Attributes:
        num_done: finished trials, those of earlier sessions, failures and cached ones included.
        num_running: trials in flight.
        num_failed: failures.
        num_cached: outcomes taken from an earlier trial of the same architecture.
        incumbent: the success with the highest reward so far, of equals the one with the lowest number.
    """

    def __init__(
        self,
        num_trials: int,
        reward: Reward = Accuracy(),  # noqa: B008 - it is immutable
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.num_trials = num_trials
        self._reward = reward
        self.num_done = 0
        self.num_running = 0
        self.num_failed = 0
        self.num_cached = 0
        self.incumbent: Success | None = None
        self._recent: deque[float] = deque(maxlen=NUM_RECENT)
        self._clock = clock
        self._started = clock()
        self._num_earlier = 0

    def take(self, outcome: Outcome) -> None:
        """Counts one more outcome."""
        self.num_done += 1
        if isinstance(outcome, Failure):
            self.num_failed += 1
            return
        self.num_cached += outcome.cached
        self._recent.append(outcome.accuracy)
        if self.incumbent is None or self._rank(outcome) > self._rank(self.incumbent):
            self.incumbent = outcome

    def _rank(self, success: Success) -> tuple[float, int]:
        return self._reward(success), -success.trial_id

    def start_session(self) -> None:
        """Makes rates count from here on: what was taken before was measured earlier."""
        self._num_earlier = self.num_done
        self._started = self._clock()

    @property
    def mean_recent(self) -> float | None:
        """Mean accuracy of the last 20 successes."""
        return sum(self._recent) / len(self._recent) if self._recent else None

    @property
    def trials_per_hour(self) -> float | None:
        """The rate of this session, once it has lasted a second."""
        seconds = self._clock() - self._started
        num_done = self.num_done - self._num_earlier
        return 3600 * num_done / seconds if num_done and seconds >= 1 else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the run at the rate of this session."""
        rate = self.trials_per_hour
        return 3600 * max(self.num_trials - self.num_done, 0) / rate if rate else None

    def facts(self) -> list[tuple[str, str]]:
        """What a reader wants to know, as pairs of a name and a text."""
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


def describe_seconds(seconds: float) -> str:
    """A duration in the two largest units that it has: ``45 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``."""
    whole = round(seconds)
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // small} {small_name}"
    return f"{whole} s"


class WatchedPool:
    """A pool that tells a tally how many trials are in flight."""

    def __init__(self, pool: Pool, tally: Tally) -> None:
        self._pool = pool
        self._tally = tally

    @property
    def capacity(self) -> int:
        """That of the pool."""
        return self._pool.capacity

    def submit(self, trial: Trial) -> None:
        """Passes the trial on."""
        self._pool.submit(trial)
        self._tally.num_running += 1

    def next_outcome(self) -> Outcome:
        """Passes the next outcome on."""
        outcome = self._pool.next_outcome()
        self._tally.num_running -= 1
        return outcome

    def __enter__(self) -> Self:
        """Enters the pool."""
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the pool."""
        self._pool.__exit__(kind, error, trace)


class Reporter(Protocol):
    """Shows a tally while it is entered."""

    def update(self) -> None:
        """Says that the tally has changed."""
        ...

    def say(self, text: str) -> None:
        """Shows a line of text at once."""
        ...

    def __enter__(self) -> Self:
        """Starts to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shows the last state and stops."""
        ...


def make_reporter(title: str, tally: Tally, console: Console) -> Reporter:
    """A live panel if the console is a terminal, else plain lines."""
    return LivePanel(title, tally, console) if console.is_terminal else PlainLines(title, tally, console)


class LivePanel:
    """Draws a panel that stays in its place, a few times a second."""

    def __init__(self, title: str, tally: Tally, console: Console) -> None:
        self._title = title
        self._tally = tally
        self._console = console
        self._live = Live(get_renderable=self.render, console=console, refresh_per_second=4)

    def render(self) -> Panel:
        """The panel as it is now."""
        facts = self._tally.facts()
        table = Table.grid(padding=(0, 2))
        for (left, left_text), (right, right_text) in zip(facts[:4], facts[4:], strict=True):
            table.add_row(Text(left, "dim"), Text(left_text), Text(right, "dim"), Text(right_text))
        rows = Table.grid(expand=True)
        rows.add_row(ProgressBar(total=self._tally.num_trials, completed=self._tally.num_done))
        rows.add_row(table)
        return Panel(rows, title=Text(self._title), width=min(self._console.width, 90))

    def update(self) -> None:
        """Nothing to do: the panel is redrawn anyway."""

    def say(self, text: str) -> None:
        """Shows a line above the panel."""
        say(self._console, text)

    def __enter__(self) -> Self:
        """Starts to draw."""
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draws the last state and stops."""
        self._live.__exit__(kind, error, trace)


class PlainLines:
    """Writes a line at the first outcome, then at most every half minute, and at the end."""

    def __init__(self, title: str, tally: Tally, console: Console, *, line_seconds: float = LINE_SECONDS) -> None:
        self._title = title
        self._tally = tally
        self._console = console
        self._line_seconds = line_seconds
        self._due = 0.0
        self._written = -1

    def update(self) -> None:
        """Writes a line if one is due."""
        if time.monotonic() >= self._due:
            self._write()

    def say(self, text: str) -> None:
        """Writes a line of text."""
        say(self._console, text)

    def _write(self) -> None:
        self._due = time.monotonic() + self._line_seconds
        self._written = self._tally.num_done
        self.say(f"{self._title}: " + ", ".join(f"{name} {text}" for name, text in self._tally.facts()))

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Writes the last state, unless it was written already."""
        if self._written != self._tally.num_done:
            self._write()
