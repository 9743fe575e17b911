import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments.architectures.draw_edges import edge_cell_figure
from nas.edge_cell import EdgeCell


@pytest.mark.parametrize("num_nodes", [2, 4, 6])
def test_every_edge_that_carries_something_is_drawn_within_the_picture(num_nodes):
    number = sum(range(num_nodes))
    ops = tuple("none" if place % 3 == 2 else f"op_{place}" for place in range(number))
    figure = edge_cell_figure(EdgeCell(ops), title="a title that is as long as the name of a cell " * 3)
    (axes,) = figure.axes
    shown = [text.get_text() for text in axes.texts]
    assert sorted(text for text in shown if text.startswith("op_")) == sorted(op for op in ops if op != "none")
    assert {"in", "out"} <= set(shown)
    assert any(text.startswith("a title that") for text in shown)
    assert len(axes.patches) == sum(op != "none" for op in ops)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for artist in (*axes.texts, *axes.patches):
        box = artist.get_window_extent(renderer)
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height


def test_names_are_shown_as_they_are():
    figure = edge_cell_figure(EdgeCell(("$\\frac{",)))
    assert "$\\frac{" in [text.get_text() for text in figure.axes[0].texts]
    figure.savefig("/dev/null", format="svg")
