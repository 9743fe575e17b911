"""Values logged to experiment trackers, and the thread of a tracker, so that it cannot stop or delay a search."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from nas.rewards import Reward
from nas.trial import Failure, Outcome, Success

BATCH_SIZE = 50
CLOSE_SECONDS = 10.0
NUM_DONE = "search/num_done"


@dataclass(frozen=True, slots=True)
class Point:
    """Values to log after a trial.

    Attributes:
        step: Number of finished trials, from 1.
        time: Of the outcome, in seconds since 1970.
        values: Finite numbers by name; ``search/num_done`` comes last and equals the step.
    """

    step: int
    time: float
    values: Mapping[str, float]


class PointBuilder:
    """Turns the outcomes of a run, whose reward determines the best trial, into points."""

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._best: tuple[float, float] | None = None
        self._num_failed = 0
        self.num_done = 0

    def take(self, outcome: Outcome, time: float) -> Point:
        """Returns the point of the next outcome."""
        self.num_done += 1
        values: dict[str, float] = {"trial/id": outcome.trial_id, "trial/train_seconds": outcome.train_seconds}
        if isinstance(outcome, Failure):
            self._num_failed += 1
        else:
            values |= self._measured(outcome)
        if self._best is not None:
            values |= zip(("search/best_reward", "search/accuracy_of_best"), self._best, strict=True)
        values |= {"search/num_failed": self._num_failed, NUM_DONE: self.num_done}
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        return Point(self.num_done, time, finite)

    def _measured(self, success: Success) -> dict[str, float]:
        rewarded = {}
        if not success.was_only_scored:
            reward = self._reward(success)
            rewarded = {"trial/accuracy": success.accuracy, "trial/reward": reward}
            if success.stopped_after is None and (self._best is None or reward > self._best[0]):
                self._best = reward, success.accuracy
        return {
            **rewarded,
            "trial/num_parameters": success.num_parameters,
            "trial/num_multiply_adds": success.num_multiply_adds,
            **{f"trial/{name}": value for name, value in success.metrics.items()},
        }


class Tracker(Protocol):
    """Logs the points of one run. All methods are called in one thread, and may raise."""

    name: str
    """Name in the settings, and of the extra that installs it."""

    def open(self) -> int:
        """Creates or resumes the run of this search; returns the step of the last point that it holds."""

    def log(self, points: Sequence[Point]) -> None:
        """Logs points, in order."""

    def close(self, *, finished: bool) -> None:
        """Ends the run; ``finished`` tells whether the search has all its trials."""


class TrackerThread:
    """Runs a tracker in its own thread; if it raises, it is dropped and `warn` is called, in any thread."""

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._warn = warn
        self._points: SimpleQueue[Point | None] = SimpleQueue()
        self._finished = False
        self._dropped = False
        self._thread = threading.Thread(target=self._work, name=f"tracker-{tracker.name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def take(self, point: Point) -> None:
        """Queues a point."""
        if not self._dropped:
            self._points.put(point)

    def close(self, *, finished: bool, seconds: float = CLOSE_SECONDS) -> None:
        """Ends the run of the tracker; waits at most ``seconds``."""
        self._finished = finished
        self._points.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive() and not self._dropped:
            self._drop(f"no answer for {seconds:g} s; missing points are added when the search is resumed")

    def _work(self) -> None:
        try:
            last = self._tracker.open()
            for points in self._batches():
                if new := [point for point in points if point.step > last]:
                    self._tracker.log(new)
            self._tracker.close(finished=self._finished)
        except BaseException as error:  # no error of a tracker may reach the search
            hint = f"; pip install 'nas-engine[{self._tracker.name}]'" if isinstance(error, ImportError) else ""
            self._drop(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{hint}")

    def _batches(self) -> Iterator[list[Point]]:
        """Yields the points of the queue until the end, several at a time where several wait."""
        while (point := self._points.get()) is not None:
            batch = [point]
            try:
                while len(batch) < BATCH_SIZE and (point := self._points.get_nowait()) is not None:
                    batch.append(point)
            except Empty:
                pass
            yield batch
            if point is None:
                return

    def _drop(self, why: str) -> None:
        if not self._dropped:
            self._dropped = True
            self._warn(f"warning: {self._tracker.name} is disabled for the rest of this session: {why}")
