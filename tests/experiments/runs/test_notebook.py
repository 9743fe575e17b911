import sys
import xml.etree.ElementTree as ET
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from experiments.runs.live_search import Tally
from experiments.runs.notebook import NotebookDisplay, accuracy_curve
from nas.trial import Success


@pytest.fixture
def pages(monkeypatch):
    """What a notebook shows, in order."""
    shown = []
    module = ModuleType("IPython.display")
    module.HTML = str
    module.display = lambda page, *, display_id: shown.append(page) or SimpleNamespace(update=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_notebook_shows_progress_and_the_curve(pages):
    tally = Tally(3)
    with NotebookDisplay("<run>", tally, Console(quiet=True)) as display:
        for trial_id, accuracy in enumerate((0.5, 0.25, 0.75)):
            tally.take(Success(trial_id, accuracy))
            display.update()
    assert "&lt;run&gt;" in pages[0]
    assert "0 of 3" in pages[0]
    assert "3 of 3" in pages[-1]
    assert pages[-1].count("<circle") == 3
    assert len(pages) == 3  # at the start, after the first trial, at the end: at most one a second


def test_the_curve_is_valid_svg_with_the_best_so_far():
    root = ET.fromstring(accuracy_curve([0.5, 0.25, 1.0]))  # noqa: S314 - our own text
    line = next(child for child in root if child.tag.endswith("polyline"))
    heights = [float(point.partition(",")[2]) for point in line.attrib["points"].split()]
    assert heights == [80.0, 80.0, 6.0]
    assert accuracy_curve([]) == ""
