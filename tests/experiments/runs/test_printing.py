import io

from rich.console import Console

from experiments.runs.printing import one_line, say, say_report
from nas.data.report import DataReport


def test_text_is_printed_as_it_is():
    console = Console(file=io.StringIO(), width=20, force_terminal=True)
    text = "runs/[bold]x[/nonsense]: 1 of 2 trials, 'quoted'"
    say(console, text)
    assert console.file.getvalue() == text + "\n"


def test_text_of_several_lines_becomes_one_without_control_characters():
    assert one_line("a\n b\x1b[2J\tc") == "a b?[2J c"


def test_a_report_is_printed_line_by_line():
    console = Console(file=io.StringIO(), width=20)
    say_report(console, DataReport({"training images": 2}, notices=("they are dark",)))
    say_report(console, None)
    assert console.file.getvalue() == "data: 2 training images; left out: nothing\nnote: they are dark\n"
