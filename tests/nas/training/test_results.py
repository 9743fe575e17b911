import time
from dataclasses import asdict

from nas.training.results import EpochProgress, EpochResult, Stopwatch, Timer, TrainResult


def test_an_epoch_goes_to_json():
    epoch = EpochResult(0.5, 0.75, 0.1, 2.0)
    assert asdict(epoch) == {
        "loss": 0.5,
        "accuracy": 0.75,
        "learning_rate": 0.1,
        "seconds": 2.0,
        "wait_seconds": 0.0,
    }
    assert TrainResult((epoch,), 10, 2.5).epochs[-1] is epoch


def test_progress_within_an_epoch_is_stored():
    progress = EpochProgress(3, 2.5, 0.5)
    assert EpochProgress.from_json(progress.to_json()) == progress
    assert EpochProgress.from_json({}) == EpochProgress()


def test_waiting_is_told_from_working(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def batches():
        for number in range(3):
            now[0] += 2
            yield number

    progress, clock = EpochProgress(), Stopwatch()
    for number in clock.waiting_for(batches()):
        assert number == progress.done
        now[0] += 1
        progress.done += 1
        clock.add_to(progress)
    assert (progress.done, progress.seconds, progress.wait_seconds) == (3, 9, 6)


def test_a_timer_is_due_now_and_then(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    timer, never = Timer(2), Timer(None)
    due = []
    for now[0] in range(0, 400, 60):
        due.append(timer.is_due())
        assert not never.is_due()
    assert due == [False, False, True, False, True, False, True]
