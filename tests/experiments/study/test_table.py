import io

from rich.console import Console

from experiments.study.summary import summarize
from experiments.study.table import markdown_study, print_study


def test_rows_hold_means_spreads_and_differences(make_study_results):
    text = markdown_study(summarize(make_study_results(masks=True), split="train"))
    assert text.count("| images | schedule | iterations | from scratch |") == 9
    assert "**Mask AP on training images, 10 at most, %**" in text
    assert "**Box AP on 5 validation images, %**" in text
    assert "| 10 | 2x | 20 | 31.00 ± 1.00 | 41.00 ± 1.00 | +10.00 (+10.00 to +10.00) |" in text
    assert "| 10 | 2x | 20 | 46.50 ± 1.50 | 61.50 ± 1.50 | +15.00 (+15.00 to +15.00) |" in text
    assert "| 10 | 2x | 20 | 1.020 ± 0.020 | 0.720 ± 0.020 | \u22120.300 (\u22120.300 to \u22120.300) |" in text
    assert "Mean and standard deviation over 3 seeds; differences are pre-trained minus scratch" in text
    assert text.rstrip().splitlines()[-1].startswith("- Rethinking")


def test_what_is_missing_is_a_dash(make_study_results):
    results = make_study_results(1)
    for result in results:
        if result["schedule"] == "2x" or (result["start"] == "scratch" and result["fraction"] == 1.0):
            result["error"] = "RuntimeError: no"
    text = markdown_study(summarize(results, split="train"))
    assert "| 10 | 2x | 20 | - | - | - |" in text
    assert "| 10 | 1x | 10 | - | 1.200 | - |" in text
    assert "| 5 | 1x | 10 | 1.500 | 1.200 | \u22120.300 |" in text
    assert "One seed; differences are pre-trained minus scratch." in text


def test_a_terminal_shows_the_same(make_study_results):
    console = Console(file=io.StringIO(), width=200)
    value = summarize(make_study_results(), split="train")
    print_study(value, console)
    shown = console.file.getvalue()
    assert "41.00 ± 1.00" in shown
    assert all(sentence in shown for sentence in value.verdict)
