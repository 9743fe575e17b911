from __future__ import annotations

from pathlib import Path

import pytest

from experiments.architectures.front_figure import draw_front


def test_a_figure_must_have_a_known_suffix(tmp_path):
    with pytest.raises(ValueError, match=r"a drawing must end in .svg, .png, .pdf, got 'front.gif'"):
        draw_front(tmp_path, Path("front.gif"))
