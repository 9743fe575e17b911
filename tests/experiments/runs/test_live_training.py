import io

import pytest
from rich.console import Console

from experiments.runs.live_training import EpochTable, describe_epoch, epoch_table, problems
from nas.training.results import StepReport


def record(epoch, *, average=False):
    score = {"top1": 0.5, "top5": 0.9, "num_images": 10}
    return {
        "epoch": epoch,
        "loss": 1.5,
        "accuracy": 0.4,
        "learning_rate": 0.05,
        "seconds": 60.0,
        "validation": {"raw": score, **({"ema": {**score, "top1": 0.6}} if average else {})},
        "validation_seconds": 0.0,
    }


def step(epoch, done, seconds=10.0):
    return StepReport(epoch, done, 4, 32, seconds, 0.0)


@pytest.fixture
def plain():
    return Console(file=io.StringIO(), width=200)


def test_elsewhere_each_epoch_is_a_line(plain):
    with EpochTable(3, plain) as table:
        table.after_epoch([])
        table.after_step(step(1, 1))
        table.after_epoch([record(1)])
        table.after_epoch([record(1), record(2, average=True)])
    first, second = plain.file.getvalue().splitlines()
    assert first == (
        "epoch 1 of 3: rate 0.05, loss 1.5000, training 40.00%, validation 50.00%, top-5 90.00%, 60.0 s, 2 min 0 s left"
    )
    assert "validation 50.00% (average 60.00%)" in second
    assert second.endswith("1 min 0 s left")


def test_a_training_that_goes_on_says_from_where_and_does_not_repeat_itself(plain):
    with EpochTable(3, plain) as table:
        table.after_epoch([record(1), record(2)])
        table.after_epoch([record(1), record(2), record(3)])
    first, second = plain.file.getvalue().splitlines()
    assert first == "resuming after epoch 2 of 3"
    assert second.startswith("epoch 3 of 3")


def test_in_a_terminal_the_table_grows():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with EpochTable(3, console) as table:
        table.after_epoch([])
        table.after_step(step(1, 2))
        console.print(table.render())
        table.after_epoch([record(1, average=True)])
    text = console.file.getvalue()
    assert "6 images/s, " in text
    assert "60.00%" in text
    assert "of 3 epochs" in text


def test_long_epochs_are_lines_every_ten_minutes_elsewhere(plain):
    with EpochTable(3, plain) as table:
        table.after_epoch([record(1)])
        for done, seconds in enumerate((500.0, 1000.0, 1100.0, 1700.0), 1):
            table.after_step(step(2, done, seconds))
    lines = [line for line in plain.file.getvalue().splitlines() if "step" in line]
    assert [line.split(" images/s")[0] for line in lines] == ["epoch 2, step 3 of 4: 0", "epoch 2, step 4 of 4: 0"]


def test_the_average_has_a_column_where_there_is_one():
    assert len(epoch_table([record(1)], 3).columns) == 7
    assert len(epoch_table([record(1, average=True)], 3).columns) == 8
    assert describe_epoch(record(1), 3).endswith("60.0 s")


def test_one_of_many_trainings_leaves_nothing_behind(plain):
    with EpochTable(3, plain, transient=True) as table:
        table.after_epoch([record(1)])
    assert plain.file.getvalue() == ""
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with EpochTable(3, console, transient=True) as table:
        table.after_epoch([record(1)])
        console.print("before the end")
    shown = console.file.getvalue()
    assert "of 3 epochs" in shown
    assert shown.endswith("\x1b[2K")  # the last line is wiped out


def test_slow_loaders_and_damaged_images_are_said(plain):
    slow = {**record(1), "images_per_second": 1234.4, "wait_seconds": 18.6, "num_damaged": 2}
    waiting, damaged = problems(slow)
    assert waiting == "31% of the time spent waiting for images: raise recipe.num_loaders"
    assert damaged == "2 training images could not be decoded and were replaced"
    assert f"60.0 s, 1,234 images/s, {waiting}, {damaged}" in describe_epoch(slow, 3)
    assert list(problems({**slow, "wait_seconds": 11.9, "num_damaged": 0})) == []
    live = Console(file=io.StringIO(), width=120, force_terminal=True)
    with EpochTable(3, live) as table:
        table.after_epoch([])
        table.after_epoch([slow])
    assert f"epoch 1: {waiting}" in live.file.getvalue()
