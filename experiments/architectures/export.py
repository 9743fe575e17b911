"""`nas export`: writes an architecture as code that needs only torch, with its weights if trained, and a drawing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from experiments.architectures.draw import draw_architecture
from experiments.architectures.find import ArchitectureSource, NetworkOptions, network_spec
from nas.export.folder import export_checkpoint, export_untrained
from nas.export.programs import PROGRAMS
from nas.models.checkpoint import load_checkpoint
from nas.models.network import Network

CELLS_FILE = "cells.svg"


def export_architecture(
    source: ArchitectureSource, out: Path, options: NetworkOptions | None = None, *, programs: Collection[str] = ()
) -> list[Path]:
    """Writes a self-contained folder with ``model.py``, ``architecture.json``, ``README.md`` and ``cells.svg``.

    A trained architecture also has its ``weights.safetensors``, unless options are given, which change the network.
    The folder is made if missing; files of the same names are replaced.

    `programs` are further formats of a trained network, keys of `nas.export.programs.PROGRAMS`. Returns the files
    written, ``model.py`` first.

    Raises:
        ValueError: if the options are not possible, the weights do not match, or the folder is a file.
        RuntimeError: if a program cannot be made or its output differs from the network's, or writing fails.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"the target of an export must be a folder, got the file {out}")
    try:
        return _write(source, out, options or NetworkOptions(), programs)
    except OSError as error:  # a full disk names no file
        raise RuntimeError(f"the folder {out} cannot be written: {error.strerror or error}") from None


def _write(source: ArchitectureSource, out: Path, options: NetworkOptions, programs: Collection[str]) -> list[Path]:
    trained = source.weights if not options.given else None
    for name in programs:
        if name not in PROGRAMS:
            raise ValueError(f"a program must be one of {', '.join(PROGRAMS)}, got {name!r:.40}")
    if programs and trained is None:
        raise ValueError("a network must be trained to be exported as a program, got one without weights")
    if trained is not None:
        files = [*export_checkpoint(trained, out, name=source.name), *_write_programs(programs, trained, out)]
    else:
        files = export_untrained(source.cells, network_spec(source, options), out, name=source.name)
    draw_architecture(source.cells, out / CELLS_FILE, title=source.name)
    return [*files, out / CELLS_FILE]


def _write_programs(programs: Collection[str], trained: Path, out: Path) -> Iterator[Path]:
    network = load_checkpoint(trained).network
    for name in programs:
        file, write = PROGRAMS[name]
        if isinstance(network, Network):
            write(network, out / file)
            yield out / file
