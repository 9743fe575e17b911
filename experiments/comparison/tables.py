"""Tables for Markdown and for a terminal, from the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Formats a Markdown table whose first `words` columns hold words and the others numbers, aligned right."""
    rule = "---|" * words + "---:|" * (len(header) - words)
    first, *others = (f"| {' | '.join(row)} |" for row in (header, *rows))
    return "\n".join((first, f"|{rule}", *others))


def terminal_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1, title: str | None = None
) -> Table:
    """Makes the same table for a terminal; cells are shown as they are, never read as markup."""
    table = Table(title=title)
    for place, name in enumerate(header):
        table.add_column(name, justify="left" if place < words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table
