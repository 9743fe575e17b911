"""Writes figures of matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nas.files.atomic_write import write_bytes


def write_figure(figure: Figure, path: Path, *, dpi: float, metadata: Mapping[str, Any] | None) -> None:
    """Writes a figure atomically, in the format of the path's suffix; StorageError if it cannot be written."""
    buffer = io.BytesIO()
    entries = None if metadata is None else dict(metadata)
    figure.savefig(buffer, format=path.suffix.lower()[1:], dpi=dpi, metadata=entries)
    write_bytes(path, buffer.getvalue())
