"""Loads the images of a configuration, and sets what the configuration leaves to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from rich.console import Console
from rich.progress import Progress

from experiments.config.kinds import Document
from experiments.config.resolve import ConfigRequest
from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.fidelity import DataSpec
from nas.plugins import is_reference

EMBEDDED = ("digits",)
"""Data sets that are read from no folder."""

DOWNLOADED = ("cifar10",)
"""Data sets that make their folder."""


class _OfImages(Protocol):
    """A configuration with images."""

    @property
    def data(self) -> DataSpec: ...

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, source: str | None = None) -> Self: ...


_C = TypeVar("_C", bound=_OfImages)


def load_images(kind: type[_C], document: Document, request: ConfigRequest, console: Console) -> tuple[DataSet, _C]:
    """Loads the images of a document and completes it in place: classes, channels and image size of the network."""
    config = kind.parse(document, source=request.source or None)
    if request.changes.get(("data", "root")) is not None and config.data.name in EMBEDDED:
        raise ValueError(
            f"data set {config.data.name} comes with a library and is read from no folder, got --data "
            f"{request.changes['data', 'root']}: omit --data, or choose another set with --set data.name=..."
        )
    _check_root(config.data)
    data = _load(config.data, console)
    height, width = data.image_size
    if height != width:
        raise ValueError(f"images must be square, got {width} x {height} pixels; set data.image_size")
    from_data = {"num_classes": len(data.class_names), "in_channels": data.num_channels, "image_size": height}
    for key, value in from_data.items():
        document["network"].setdefault(key, value)
    return data, kind.parse(document, source=request.source or None)


def _check_root(spec: DataSpec) -> None:
    """Raises ValueError, naming the option, if there is no folder to read."""
    if spec.root is None and spec.name not in (*EMBEDDED, *DOWNLOADED) and not is_reference(spec.name):
        raise ValueError(f"the folder of the images must be given with --data (data set {spec.name})")
    if spec.root is not None and not Path(spec.root).expanduser().is_dir() and spec.name not in DOWNLOADED:
        raise ValueError(f"there is no folder {spec.root}, named with --data or data.root")


def _load(spec: DataSpec, console: Console) -> DataSet:
    if not console.is_terminal:
        return load_data(spec)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"reading {spec.name}", total=None)
        return load_data(spec, progress=lambda done, total: progress.update(task, completed=done, total=total))
