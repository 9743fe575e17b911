import pytest

import nas


def test_cells_are_drawn_in_a_notebook_and_into_files(tmp_path):
    drawing = nas.draw("nasnet-a")
    assert drawing.title == "nasnet-a"
    assert drawing._repr_svg_() == drawing.svg == nas.draw("nasnet-a").svg
    assert "Normal cell" in drawing.svg or "<path" in drawing.svg
    assert drawing.save(tmp_path / "cells.png").stat().st_size > 1000
    with pytest.raises(ValueError, match=r"must end in \.svg, \.png, \.pdf"):
        drawing.save(tmp_path / "cells.gif")


def test_an_architecture_shows_its_cells():
    assert "<svg" in nas.PUBLISHED["nasnet-a"]._repr_svg_()
    assert nas.draw(nas.PUBLISHED["nasnet-a"]).title is None


def test_a_cell_with_operations_on_edges_is_drawn_too(tmp_path):
    drawing = nas.draw("|nor_conv_3x3~0|+|none~0|skip_connect~1|")
    assert "nor_conv_3x3" in drawing.svg
    assert drawing.save(tmp_path / "cell.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="must have cells, got the reference network resnet18"):
        nas.draw("resnet18")
