from __future__ import annotations

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.runs.trackers.background import Point
from experiments.runs.trackers.tensorboard import TensorBoardTracker


def point(step):
    return Point(step, 1000.0 + step, {"trial/accuracy": step / 8, "search/num_done": step})


def session(folder, steps):
    tracker = TensorBoardTracker(folder, "search: {}")
    assert tracker.open() == 0
    tracker.log([point(step) for step in steps])
    tracker.close(finished=True)


def read(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's own
def test_points_are_there_once_with_their_times_also_after_a_continuation(tmp_path):
    folder = tmp_path / "run" / "tensorboard"
    session(folder, range(1, 4))
    (folder / "mine.txt").write_text("kept")
    watching = read(folder)
    session(folder, range(1, 5))  # a continuation gets the whole ledger
    watching.Reload()
    session(folder, range(1, 6))
    for events in (read(folder), watching):
        events.Reload()
        scalars = events.Scalars("trial/accuracy")
        assert [(each.step, each.value, each.wall_time) for each in scalars] == [
            (step, step / 8, 1000.0 + step) for step in range(1, 6)
        ]
    assert set(events.Tags()["scalars"]) == {"trial/accuracy", "search/num_done"}
    assert "configuration/text_summary" in events.Tags()["tensors"]
    assert (folder / "mine.txt").read_text() == "kept"
    assert len(list(folder.iterdir())) == 3
