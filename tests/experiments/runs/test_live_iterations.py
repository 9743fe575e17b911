import io

from rich.console import Console

from experiments.runs.live_iterations import RecordLines


def make_record(iteration, **values):
    common = {"iteration": iteration, "learning_rate": 0.02, "loss": 1 / iteration, "seconds": 5.0}
    return {**common, "pictures_per_second": 8.0, **values}


def show(session, **settings):
    console = Console(file=io.StringIO(), width=80, **settings)
    with RecordLines(40, console, lambda record: f"AP {record['evaluation']['ap']}") as lines:
        session(lines)
    return console.file.getvalue().splitlines()


def test_each_record_is_a_line_with_what_was_measured_and_the_time_that_is_left():
    def session(lines):
        lines.after_record([])
        first = make_record(10)
        lines.after_record([first])
        lines.after_record([first, make_record(20, evaluation={"ap": 0.25}, evaluation_seconds=10.0)])

    assert show(session) == [
        "iteration 10 of 40: rate 0.02, loss 0.1000, 8.0 images per second, 15 s left",
        "iteration 20 of 40: rate 0.02, loss 0.0500, AP 0.25, 8.0 images per second, 20 s left",
    ]


def test_records_of_earlier_sessions_are_one_line():
    first = [make_record(10), make_record(20)]
    lines = show(lambda lines: (lines.after_record(first), lines.after_record([*first, make_record(30)])))
    assert lines[0] == "resuming after iteration 20 of 40"
    assert [line[:12] for line in lines[1:]] == ["iteration 30"]


def test_a_terminal_has_a_bar():
    shown = show(lambda lines: lines.after_iteration(12), force_terminal=True)
    assert any("12/40" in line for line in shown)
