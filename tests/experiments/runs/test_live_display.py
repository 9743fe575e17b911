import io

import pytest
from rich.console import Console

from experiments.runs.live_display import TrainingDisplay, describe_seconds


class Lines(TrainingDisplay):
    def render(self):
        return self._progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (349200, "4 d 1 h")],
)
def test_durations_have_two_units(seconds, text):
    assert describe_seconds(seconds) == text


def test_records_of_earlier_sessions_are_not_new():
    console = Console(file=io.StringIO())
    with Lines("epoch", 4, console) as display:
        first = {"epoch": 1, "seconds": 10.0, "validation_seconds": 2.0}
        assert display.take([first]) == []
        second = {"epoch": 2, "seconds": 6.0, "validation_seconds": 2.0}
        assert display.take([first, second]) == [(second, "20 s left")]
    assert console.file.getvalue() == "resuming after epoch 1 of 4\n"


def test_a_transient_display_prints_nothing_outside_of_a_terminal():
    console = Console(file=io.StringIO())
    with Lines("epoch", 4, console, transient=True) as display:
        display.say("text")
    assert console.file.getvalue() == ""
