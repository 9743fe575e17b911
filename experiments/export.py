"""`nas export`: an architecture as code that needs only torch, with its weights if it is trained, and as a drawing."""

from __future__ import annotations

from pathlib import Path

from experiments.arch import ArchitectureSource, NetworkOptions, network_spec
from experiments.draw import draw_architecture
from nas.export import export_checkpoint, export_untrained

CELLS_FILE = "cells.svg"
"""The drawing of both cells."""


def export_architecture(source: ArchitectureSource, out: Path, options: NetworkOptions | None = None) -> list[Path]:
    """Writes a folder that stands for itself: ``model.py``, ``architecture.json``, ``README.md`` and ``cells.svg``.

    The weights of a trained architecture come along in ``weights.safetensors``, unless options are given: they ask for
    another network than the one that was trained.

    Args:
        source: what to export; see `experiments.arch.find_architecture`.
        out: the folder, made where it is missing; files of the same names are replaced.
        options: the network around the cells, where it is to be another than that of the run.

    Returns:
        The files written, ``model.py`` first.

    Raises:
        ValueError: if the options are not possible, the weights do not fit, or the folder is a file.
    """
    options = options or NetworkOptions()
    if out.exists() and not out.is_dir():
        raise ValueError(f"an export needs a folder, got the file {out}")
    if source.weights is not None and not options.given:
        files = export_checkpoint(source.weights, out, name=source.name)
    else:
        files = export_untrained(source.cells, network_spec(source, options), out, name=source.name)
    draw_architecture(source.cells, out / CELLS_FILE, title=source.name)
    return [*files, out / CELLS_FILE]
