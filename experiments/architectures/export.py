"""`nas export`: writes an architecture as code that needs only torch, with its weights if trained, and a drawing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from experiments.architectures.draw import draw_architecture
from experiments.architectures.find import ArchitectureSource, NetworkOptions, network_spec
from experiments.runs.run_folder import RunFolder
from nas.export.feeding import Feeding
from nas.export.folder import export_checkpoint, export_untrained
from nas.export.model_source import WEIGHTS_FILE
from nas.export.programs import PROGRAMS
from nas.models.checkpoint import load_checkpoint
from nas.models.reference.names import ReferenceNetwork

CELLS_FILE = "cells.svg"


def export_architecture(
    source: ArchitectureSource,
    out: Path,
    options: NetworkOptions | None = None,
    *,
    programs: Collection[str] = (),
    normalize: bool = False,
) -> list[Path]:
    """Writes a self-contained folder with ``model.py``, ``architecture.json``, ``README.md`` and ``cells.svg``.

    Of a reference network it has no ``model.py`` and ``cells.svg``.

    A trained architecture also has its ``weights.safetensors``, unless options are given, which change the network.
    The folder is made if missing; files of the same names are replaced.

    `programs` are further formats of a trained network, keys of `nas.export.programs.PROGRAMS`; with `normalize`, they
    normalize the images themselves. Returns the files written, ``model.py`` first.

    Raises:
        ValueError: if the options are not possible, the weights do not match, or the folder is a file or holds a run.
        RuntimeError: if a program cannot be made or its output differs from the network's, or writing fails.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"the target of an export must be a folder, got the file {out}")
    if any(file.exists() for file in (RunFolder(out).config, RunFolder(out).ledger)):
        raise ValueError(f"{out} holds a run, whose files an export could replace; choose another --out")
    try:
        return _write(source, out, options or NetworkOptions(), programs, normalize=normalize)
    except OSError as error:  # a full disk names no file
        raise RuntimeError(f"the folder {out} cannot be written: {error.strerror or error}") from None


def _write(
    source: ArchitectureSource, out: Path, options: NetworkOptions, programs: Collection[str], *, normalize: bool
) -> list[Path]:
    trained = source.weights if not options.given else None
    for name in programs:
        if name not in PROGRAMS:
            raise ValueError(f"a program must be one of {', '.join(PROGRAMS)}, got {name!r:.40}")
    if programs and trained is None:
        why = "one without weights" if source.weights is None else "options of another network than the trained one"
        raise ValueError(f"a network must be trained to be exported as a program, got {why}")
    if normalize and not programs:
        raise ValueError("normalization can be put into programs only (--onnx, --torch-export, --features)")
    if trained is not None:
        files = export_checkpoint(trained, out, name=source.name)
        files += _write_programs(programs, out / WEIGHTS_FILE, normalize=normalize)
    else:
        files = export_untrained(source.architecture, network_spec(source, options), out, name=source.name)
    if isinstance(source.architecture, ReferenceNetwork):
        return files
    draw_architecture(source.cells, out / CELLS_FILE, title=source.name)
    return [*files, out / CELLS_FILE]


def _write_programs(programs: Collection[str], weights: Path, *, normalize: bool) -> Iterator[Path]:
    checkpoint = load_checkpoint(weights)
    for name in programs:
        path = weights.with_name(PROGRAMS[name][0])
        PROGRAMS[name][1](checkpoint.network, path, Feeding.of(checkpoint), normalize=normalize)
        yield path
