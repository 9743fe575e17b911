"""What a tracker is shown of a search, and the thread in which it works, so that it cannot stop or delay one."""

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
    """What is known once one more trial is finished.

    Attributes:
        step: how many are finished, from 1.
        time: of the outcome, in seconds since 1970.
        values: finite numbers by name; ``search/num_done`` is last and equals the step.
    """

    step: int
    time: float
    values: Mapping[str, float]


class Course:
    """Folds the outcomes of a run into points.

    Args:
        reward: of the run, by which the best trial is chosen.
    """

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._best: tuple[float, float] | None = None
        self._num_failed = 0
        self.num_done = 0

    def take(self, outcome: Outcome, time: float) -> Point:
        """Counts one more outcome and returns its point."""
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
        reward = self._reward(success)
        if self._best is None or reward > self._best[0]:
            self._best = reward, success.accuracy
        return {
            "trial/accuracy": success.accuracy,
            "trial/reward": reward,
            "trial/num_parameters": success.num_parameters,
            "trial/num_multiply_adds": success.num_multiply_adds,
            **{f"trial/{name}": value for name, value in success.metrics.items()},
        }


class Tracker(Protocol):
    """Shows the points of one run somewhere. All of it is called in one thread, and any of it may raise."""

    @property
    def name(self) -> str:
        """What it is called in the settings, and the extra that installs it."""
        ...

    def open(self) -> int:
        """Starts a run, or goes on with the one of this search; returns the step of the last point that it holds."""
        ...

    def log(self, points: Sequence[Point]) -> None:
        """Adds points, in order."""
        ...

    def close(self, *, finished: bool) -> None:
        """Ends the run; ``finished`` tells whether the search has all of its trials."""
        ...


class TrackerThread:
    """Lets a tracker work in a thread of its own; whatever it raises becomes one warning, and it is dropped.

    Args:
        tracker: not opened.
        warn: takes the text of a warning, from any thread.
    """

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._warn = warn
        self._points: SimpleQueue[Point | None] = SimpleQueue()
        self._finished = False
        self._dropped = False
        self._thread = threading.Thread(target=self._work, name=f"tracker-{tracker.name}", daemon=True)

    def start(self) -> None:
        """Starts to work."""
        self._thread.start()

    def take(self, point: Point) -> None:
        """Hands over a point, and returns at once."""
        if not self._dropped:
            self._points.put(point)

    def close(self, *, finished: bool, seconds: float = CLOSE_SECONDS) -> None:
        """Lets the tracker end its work, but waits no longer than some seconds for it."""
        self._finished = finished
        self._points.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive() and not self._dropped:
            self._drop(f"it has not answered for {seconds:g} s; what it lacks is added when the search goes on")

    def _work(self) -> None:
        try:
            last = self._tracker.open()
            for points in self._batches():
                if new := [point for point in points if point.step > last]:
                    self._tracker.log(new)
            self._tracker.close(finished=self._finished)
        except BaseException as error:  # nothing that a tracker does may reach the search
            hint = f"; pip install 'nas-engine[{self._tracker.name}]'" if isinstance(error, ImportError) else ""
            self._drop(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{hint}")

    def _batches(self) -> Iterator[list[Point]]:
        """The points in the queue, several at a time where several wait, until the end."""
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
            self._warn(f"warning: {self._tracker.name} is left out from here on: {why}")
