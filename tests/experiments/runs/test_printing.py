import io

from rich.console import Console

from experiments.runs.printing import say


def test_text_is_printed_as_it_is():
    console = Console(file=io.StringIO(), width=20, force_terminal=True)
    text = "runs/[bold]x[/nonsense]: 1 of 2 trials, 'quoted'"
    say(console, text)
    assert console.file.getvalue() == text + "\n"
