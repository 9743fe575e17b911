"""Speed, waiting, time left and memory of a training in words."""

import pytest

from experiments.runs.training_speed import TrainingSpeed, describe_memory
from nas.training.results import StepReport, peak_memory


def step(done, seconds, *, epoch=1, waited=0.0):
    return StepReport(epoch, done, 100, 32, seconds, waited)


def described(speed, records=(), memory=None):
    return speed.describe(records, memory or {})


def test_the_last_minute_is_told_from_the_epoch():
    speed = TrainingSpeed(2)
    assert described(speed) == ""
    speed.add(step(1, 8.0))
    assert described(speed) == "4 images/s, 26 min 32 s left"  # 199 steps of 8 s
    for done in range(2, 12):
        speed.add(step(done, 8.0 * done))
    for number in range(1, 61):
        speed.add(step(11 + number, 88.0 + number))
    # 71 steps in 148 s; 60 in the last minute
    assert described(speed) == "15 images/s, 32 in the last 60 s, 4 min 29 s left"


def test_time_left_follows_earlier_epochs():
    speed = TrainingSpeed(4)
    speed.add(step(100, 5.0, epoch=2))
    speed.add(step(50, 5.0, epoch=3))
    records = [{"seconds": 90.0, "validation_seconds": 10.0}] * 2
    assert described(speed, records) == "320 images/s, 2 min 30 s left"


def test_waiting_comes_with_a_hint_and_memory_with_its_unit():
    speed = TrainingSpeed(1)
    speed.add(step(50, 10.0, waited=3.1))
    text = described(speed, memory={"peak_bytes": 2_100_000_000, "peak_gpu_bytes": 12_340_000_000})
    assert text == (
        "160 images/s, 10 s left, memory 2.1 GB, GPU memory 12.3 GB, 31% of the time spent waiting for images: "
        "raise recipe.num_loaders"
    )
    speed.add(step(60, 12.0, waited=2.3))
    assert "waiting" not in described(speed)


def test_memory_is_that_of_this_process():
    peak = peak_memory()
    assert 10e6 < peak["peak_bytes"] < 1e12
    assert next(describe_memory(peak)) == f"memory {peak['peak_bytes'] / 1e9:,.1f} GB"
    assert list(describe_memory({})) == []


@pytest.mark.parametrize("seconds", [0.0, 1e-12])
def test_no_time_is_no_division_by_zero(seconds):
    speed = TrainingSpeed(1)
    speed.add(step(1, seconds))
    speed.add(step(2, seconds))
    assert described(speed).endswith("0 s left")
