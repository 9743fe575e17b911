"""Error for an unknown name: the nearest known name, and the known names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_LISTED = 40
_ALIKE = 0.5
"""Share of common letters from which a name is taken for a misspelt one."""


def unknown_name(what: str, name: object, known: Iterable[str], *, listed: Iterable[str] | None = None) -> ValueError:
    """Returns the error for an unknown name; `what` says what it refers to, such as ``controller``.

    `known` are all names that may be suggested, `listed` those that are shown if not all of them.
    """
    names = list(known)
    shown = names if listed is None else list(listed)
    near = closest(name, names)
    hint = f"did you mean {near}? " if near else ""
    more = ", ..." if len(shown) > MAX_LISTED or len(shown) < len(names) else ""
    return ValueError(f"unknown {what} {str(name)!r:.80}; {hint}known: {', '.join(shown[:MAX_LISTED])}{more}")


def closest(name: object, known: Iterable[str]) -> str | None:
    """The known name that may be meant, or None.

    It has the same initials (``lr``), or else is the most similar of those with the same words or similar letters.
    """
    text = _plain(str(name)[:200])
    words = {_plain(each): each for each in known}
    initials = [word for word in words if "_" in word and text == "".join(part[:1] for part in word.split("_"))]
    containing = [word for word in words if set(text.split("_")) <= set(word.split("_"))]
    alike = difflib.get_close_matches(text, words, n=1, cutoff=_ALIKE)
    near = sorted((*containing, *alike), key=lambda word: -difflib.SequenceMatcher(None, text, word).ratio())
    found = [*(word for word in words if word == text), *initials, *near] if text else []
    return words[found[0]] if found else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
