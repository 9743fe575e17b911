"""The picture as a file, and its labels within their boxes."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from experiments.architectures.draw import (
    architecture_figure,
    cell_figures,
    draw_architecture,
)
from nas.architecture import Architecture, Block, Cell, Edge
from search_spaces.nasnet import NASNET
from search_spaces.published import PUBLISHED

LONG = Block(
    Edge(0, "a_very_long_name_of_an_operation_that_nobody_would_ever_use_9x9"), Edge(1, "x" * 64), "add", "y" * 64
)


def labels_within_boxes(figure: Figure) -> int:
    """Checks that each label lies in one box, or in none at all, and that no two meet; returns how many do."""
    (axes,) = figure.axes
    figure.set_dpi(200)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    texts = [text.get_window_extent(renderer) for text in axes.texts]
    num_within = 0
    for index, text in enumerate(texts):
        meets = [box for box in boxes if box.overlaps(text)]
        assert len(meets) <= 1
        for box in meets:
            assert box.x0 <= text.x0
            assert text.x1 <= box.x1
            assert box.y0 <= text.y0
            assert text.y1 <= box.y1
        num_within += len(meets)
        assert not any(text.overlaps(other) for other in texts[:index])
    return num_within


@pytest.mark.parametrize("name", PUBLISHED)
def test_labels_of_published_cells_lie_in_their_boxes(name: str) -> None:
    figure = architecture_figure(PUBLISHED[name], title=name)
    # A cell: an operation has one label or two, a combination has a label and its norm, and there are three more boxes.
    assert labels_within_boxes(figure) >= 2 * (10 + 2 * 5 + 3)


def test_labels_of_random_cells_lie_in_their_boxes() -> None:
    generator = random.Random(0)
    for _ in range(2):
        labels_within_boxes(
            architecture_figure(NASNET.decode(tuple(generator.randrange(c.num_options) for c in NASNET.choices)))
        )


def test_long_names_are_cut() -> None:
    cell = Cell((LONG, LONG))
    labels_within_boxes(architecture_figure(Architecture(cell, cell)))


def test_titles_are_not_mathematics_and_say_how_deep_norms_go(tmp_path: Path) -> None:
    architecture = Architecture(PUBLISHED["nasnet-a"].normal, PUBLISHED["nasnet-a"].reduction, appearance_stages=2)
    figure = architecture_figure(architecture, title="$x^{")
    assert "$x^{, instance-type norms in 2 stages only" in [text.get_text() for text in figure.axes[0].texts]
    draw_architecture(architecture, tmp_path / "cells.png", title="$x^{")


def test_an_svg_is_xml_and_always_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "new" / "first.svg", tmp_path / "second.svg"
    for out in (first, second):
        draw_architecture(PUBLISHED["nasnet-a"], out)
    assert ET.parse(first).getroot().tag.endswith("svg")  # noqa: S314 - our own file
    assert first.read_bytes() == second.read_bytes()


def test_a_png_can_be_opened_and_stays_within_bounds(tmp_path: Path) -> None:
    draw_architecture(PUBLISHED["nasnet-a"], tmp_path / "cells.PNG")
    with Image.open(tmp_path / "cells.PNG") as picture:
        picture.verify()
        assert 500 < picture.width < 5000
    wide = Cell((Block(Edge(0, "identity"), Edge(1, "identity")),) * 20)
    draw_architecture(Architecture(wide, wide), tmp_path / "wide.png")
    with Image.open(tmp_path / "wide.png") as picture:
        assert max(picture.size) <= 12_001


def test_a_pdf_too(tmp_path: Path) -> None:
    draw_architecture(PUBLISHED["pnasnet-5"], tmp_path / "cells.pdf")
    assert (tmp_path / "cells.pdf").read_bytes().startswith(b"%PDF")


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in .svg, .png, .pdf, got 'cells.gif'"):
        draw_architecture(PUBLISHED["nasnet-a"], tmp_path / "cells.gif")


def test_a_key_explains_the_colours_that_occur():
    cell = Cell(
        (Block(Edge(0, "sep_conv_3x3"), Edge(0, "max_pool_3x3")), Block(Edge(2, "identity"), Edge(2, "conv_1x1")))
    )
    other = Cell((Block(Edge(0, "warp"), Edge(0, "identity"), "concat"),))
    texts = [text.get_text() for text in architecture_figure(Architecture(cell, other)).axes[0].texts]
    expected = ("separable convolution", "convolution", "pool", "identity", "other operation", "add", "concat")
    assert set(expected) | {"from $h_{i-1}$"} <= set(texts)
    assert "from $h_i$" not in texts  # no line begins there


def test_each_cell_has_a_figure_of_its_own():
    cell = Cell((Block(Edge(0, "identity"), Edge(1, "identity")),))
    figures = cell_figures(Architecture(cell, cell))
    assert list(figures) == ["Normal cell", "Reduction cell"]
    for name, figure in figures.items():
        texts = [text.get_text() for text in figure.axes[0].texts]
        assert (name in texts, texts.count("$h_i$")) == (True, 1)
