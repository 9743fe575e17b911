from __future__ import annotations

import threading

import pytest

from experiments.runs.trackers.background import BATCH_SIZE, NUM_DONE, Point, PointBuilder, TrackerThread
from nas.rewards import Accuracy, ShiftedAccuracy
from nas.trial import Failure, Success


def test_a_course_counts_and_keeps_the_best():
    course = PointBuilder(Accuracy())
    outcomes = [
        Failure(0, "timeout", "late", 3.0),
        Success(2, 0.5, 10, 20, 1.0, metrics={"train_loss": 0.25, "odd": float("nan")}),
        Success(1, 0.4),
    ]
    failed, first, second = (course.take(outcome, 100.0 + place) for place, outcome in enumerate(outcomes))
    assert failed == Point(
        1, 100.0, {"trial/id": 0.0, "trial/train_seconds": 3.0, "search/num_failed": 1.0, NUM_DONE: 1.0}
    )
    assert first.values["trial/accuracy"] == first.values["trial/reward"] == first.values["search/best_reward"] == 0.5
    assert (first.values["trial/num_parameters"], first.values["trial/num_multiply_adds"]) == (10, 20)
    assert first.values["trial/train_loss"] == 0.25
    assert "trial/odd" not in first.values
    assert (second.step, second.time) == (3, 102.0)
    assert (second.values["trial/accuracy"], second.values["search/accuracy_of_best"]) == (0.4, 0.5)
    assert list(second.values)[-1] == NUM_DONE


def test_a_trial_that_was_only_scored_shows_its_scores():
    point = PointBuilder(ShiftedAccuracy()).take(
        Success(0, 0.0, 10, 20, 1.0, metrics={"synflow": 9.0}, stopped_after=0), 1.0
    )
    assert point.values == {
        "trial/id": 0.0,
        "trial/train_seconds": 1.0,
        "trial/num_parameters": 10.0,
        "trial/num_multiply_adds": 20.0,
        "trial/synflow": 9.0,
        "search/num_failed": 0.0,
        NUM_DONE: 1.0,
    }


class Notes:
    """A tracker that keeps points, and does in one of its methods what it is told to."""

    name = "notes"

    def __init__(self, *, last=0, at=None, do=None):
        self.last, self.at, self.do = last, at, do
        self.batches, self.finished = [], None

    def _act(self, method):
        if method == self.at:
            self.do()

    def open(self):
        self._act("open")
        return self.last

    def log(self, points):
        self._act("log")
        self.batches.append([point.step for point in points])

    def close(self, *, finished):
        self._act("close")
        self.finished = finished

    @property
    def steps(self):
        return [step for batch in self.batches for step in batch]


def show(tracker, num_points, *, finished=True, seconds=10.0):
    warnings = []
    thread = TrackerThread(tracker, warnings.append)
    thread.start()
    for step in range(1, num_points + 1):
        thread.take(Point(step, 0.0, {}))
    thread.close(finished=finished, seconds=seconds)
    return warnings


@pytest.mark.parametrize("num_points", [0, 1, 2 * BATCH_SIZE + 7])
def test_every_point_arrives_once_and_in_order(num_points):
    tracker = Notes()
    assert show(tracker, num_points) == []
    assert tracker.steps == list(range(1, num_points + 1))
    assert max(map(len, tracker.batches), default=0) <= BATCH_SIZE
    assert tracker.finished is True


def test_what_the_tracker_holds_already_is_not_shown_again():
    tracker = Notes(last=60)
    assert show(tracker, 63, finished=False) == []
    assert tracker.steps == [61, 62, 63]
    assert tracker.finished is False


def fail(error):
    def do():
        raise error

    return do


@pytest.mark.parametrize("method", ["open", "log", "close"])
@pytest.mark.parametrize("error", [ValueError("no\nroom"), SystemExit("no room"), KeyboardInterrupt("no room")])
def test_whatever_a_tracker_raises_is_one_warning(method, error):
    tracker = Notes(at=method, do=fail(error))
    (warning,) = show(tracker, 200)
    assert warning == f"warning: notes is disabled for the rest of this session: {type(error).__name__}: no room"


def test_a_library_that_is_missing_is_named_with_its_extra():
    (warning,) = show(Notes(at="open", do=fail(ModuleNotFoundError("No module named 'notes'"))), 1)
    assert warning.endswith("No module named 'notes'; pip install 'nas-engine[notes]'")


def test_a_tracker_that_hangs_is_left_behind():
    release = threading.Event()
    (warning,) = show(Notes(at="log", do=release.wait), 3, seconds=0.2)
    assert not release.is_set()
    assert "no answer for 0.2 s" in warning
    release.set()
