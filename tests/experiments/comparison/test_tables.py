import io

from rich.console import Console

from experiments.comparison.tables import markdown_table, terminal_table

ROWS = [["bn", "1.0"], ["[bold]in", "2.0"]]


def test_markdown_aligns_numbers_right():
    assert markdown_table(["norm", "IoU"], ROWS).splitlines()[:3] == ["| norm | IoU |", "|---|---:|", "| bn | 1.0 |"]
    assert markdown_table(["norm", "IoU"], [], words=0) == "| norm | IoU |\n|---:|---:|"


def test_a_terminal_shows_the_same_cells_as_they_are():
    console = Console(file=io.StringIO(), width=80)
    console.print(terminal_table(["norm", "IoU"], ROWS, title="Norms"))
    shown = console.file.getvalue()
    for part in ("Norms", "norm", "IoU", "[bold]in", "2.0"):
        assert part in shown
