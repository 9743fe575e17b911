import time
from dataclasses import asdict

import pytest
import torch

from nas.training.objective import EpochSums
from nas.training.results import EpochProgress, EpochResult, Stopwatch, TrainResult

CPU = torch.device("cpu")


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


def test_progress_within_an_epoch_is_stored_and_before_its_first_step_is_not():
    progress = EpochProgress(EpochSums(CPU))
    assert progress.to_json() == {}
    progress.sums.add(torch.tensor(0.1), torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1]))
    progress.done, progress.seconds, progress.wait_seconds = 1, 2.5, 0.5
    again = EpochProgress.from_json(progress.to_json(), CPU)
    assert again.sums.means() == progress.sums.means() == (pytest.approx(0.1), pytest.approx(2 / 3))
    assert (again.done, again.seconds, again.wait_seconds) == (1, 2.5, 0.5)
    assert EpochProgress.from_json({"num_epochs": 1}, CPU).done == 0


def test_waiting_is_told_from_working(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def batches():
        for number in range(3):
            now[0] += 2
            yield number

    progress, clock = EpochProgress(EpochSums(CPU)), Stopwatch()
    for number in clock.waiting_for(batches()):
        assert number == progress.done
        now[0] += 1
        progress.done += 1
        clock.add_to(progress)
    assert (progress.done, progress.seconds, progress.wait_seconds) == (3, 9, 6)
