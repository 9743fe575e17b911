"""Progress of running trials: small files in a folder that workers write and the search's display reads."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY_SECONDS = 1.0
_NAME = re.compile(r"trial-([0-9]{1,9})")
_MAX_TEXT = 20


class TrialProgress:
    """Writes which share of a trial is done, at most once a second, and removes the file at the end of the trial.

    A folder that cannot be written, as on a node that does not share it, is no error: nothing is shown then.

    Args:
        folder: Where to write; None writes nothing.
        trial_id: Of the trial.
    """

    def __init__(self, folder: str | None, trial_id: int) -> None:
        self._path = None if folder is None else Path(folder) / f"trial-{trial_id}"
        self._due = 0.0

    def __call__(self, share: float) -> None:
        """Tells the share, from 0 to 1."""
        if self._path is not None and time.monotonic() >= self._due:
            self._due = time.monotonic() + _EVERY_SECONDS
            with contextlib.suppress(OSError):
                self._path.write_text(f"{share:.4f}", encoding="ascii")

    def __enter__(self) -> Self:
        """Starts the trial."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the trial."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def read_progress(folder: Path) -> dict[int, float]:
    """Returns the shares of the running trials by their ids, in ascending order."""
    with contextlib.suppress(OSError):
        return dict(sorted(_read_all(folder)))
    return {}


def _read_all(folder: Path) -> Iterator[tuple[int, float]]:
    for path in folder.iterdir():
        if (match := _NAME.fullmatch(path.name)) and path.is_file():
            with contextlib.suppress(OSError, ValueError), path.open(encoding="ascii", errors="replace") as file:
                yield int(match[1]), float(file.read(_MAX_TEXT))
