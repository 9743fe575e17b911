"""Printing plain text: no markup, no highlighting, no hard line breaks."""

from __future__ import annotations

from rich.console import Console


def say(console: Console, text: str) -> None:
    """Prints a line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
