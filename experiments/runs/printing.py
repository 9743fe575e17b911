"""Printing for the terminal: text from outside, such as paths and error messages, is never read as markup."""

from __future__ import annotations

from rich.console import Console


def say(console: Console, text: str) -> None:
    """Prints text as it is: no markup, no highlighting, no line breaks of its own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
