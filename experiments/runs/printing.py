"""Printing for the terminal: text from outside, such as paths and error messages, is never read as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from nas.data.report import DataReport


def say(console: Console, text: str) -> None:
    """Prints text as it is: no markup, no highlighting, no line breaks of its own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def say_report(console: Console, report: DataReport | None) -> None:
    """Prints which images are used, what is left out and why; nothing if that is unknown."""
    for line in () if report is None else report.lines():
        say(console, line)


def one_line(text: str) -> str:
    """Returns text as one line without control characters."""
    return "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))
