"""Error for an unknown name: the nearest known name, and all known names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_LISTED = 40


def unknown_name(what: str, name: object, known: Iterable[str]) -> ValueError:
    """Returns the error for an unknown name; `what` says what it refers to, such as ``controller``."""
    names = list(known)
    close = difflib.get_close_matches(str(name)[:200], names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    more = ", ..." if len(names) > MAX_LISTED else ""
    return ValueError(f"unknown {what} {str(name)!r:.80}; {hint}known: {', '.join(names[:MAX_LISTED])}{more}")
