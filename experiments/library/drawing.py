"""Drawings of cells, which notebooks show."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context

from experiments.architectures.draw import SUFFIXES, architecture_figure, draw_architecture
from experiments.architectures.find import find_architecture
from nas.descriptions import CellDescription


@dataclass(frozen=True, slots=True)
class Drawing:
    """The cells of an architecture as a drawing; a notebook shows it.

    Attributes:
        architecture: what is drawn.
        title: heading of the drawing.
        svg: the drawing as SVG.

    Example:
        >>> import nas
        >>> nas.draw("nasnet-a").svg[:5]
        '<?xml'
    """

    architecture: CellDescription
    title: str | None = None

    @property
    def svg(self) -> str:
        """The drawing as SVG."""
        file = io.BytesIO()
        figure = architecture_figure(self.architecture, title=self.title)
        with rc_context({"svg.hashsalt": "nas"}):
            figure.savefig(file, format="svg", metadata=SUFFIXES[".svg"])
        return file.getvalue().decode()

    def save(self, path: Path | str) -> Path:
        """Writes the drawing as .svg, .png or .pdf and returns the path."""
        draw_architecture(self.architecture, Path(path), title=self.title)
        return Path(path)

    def _repr_svg_(self) -> str:
        return self.svg


def draw(architecture: CellDescription | str, *, title: str | None = None) -> Drawing:
    """Draws the cells of an architecture, or of what a command accepts as one, such as ``nasnet-a`` or ``RUN@2``.

    Raises:
        ValueError: if the text names no architecture, or it has no cells.

    Example:
        >>> import nas
        >>> nas.draw("nasnet-a").save("cells.svg").name
        'cells.svg'
    """
    if not isinstance(architecture, str):
        return Drawing(architecture, title)
    return Drawing(find_architecture(architecture).cells, architecture if title is None else title)
