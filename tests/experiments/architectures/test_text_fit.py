import re

import pytest

from experiments.architectures.text_fit import fit_text, text_width


def test_text_is_made_smaller_and_then_cut() -> None:
    assert fit_text("sep", 8.0, 100.0) == ("sep", 8.0)
    text, size = fit_text("bottleneck", 8.0, text_width("bottleneck", 7.0))
    assert text == "bottleneck"
    assert size == pytest.approx(7.0, rel=0.02)
    text, size = fit_text("x" * 64, 8.0, 50.0)
    assert re.fullmatch(r"x+\u2026", text)
    assert size == 5.5
    assert text_width(text, size) <= 50.0


def test_text_has_a_width() -> None:
    assert text_width("sep sep") > text_width("sep") > 0
    assert text_width(" ") == 0
