"""Pieces of a page: tables, figures and numbers as HTML. Whatever comes from outside is escaped here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from experiments.comparison.figure_style import for_page

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML already."""

    html: str


Cell = str | int | Markup | None


def text(value: Cell) -> str:
    """A cell or a sentence as HTML: escaped, unless it is markup; a dash where there is nothing."""
    if isinstance(value, Markup):
        return value.html
    return DASH if value is None else escape(str(value))


def paragraph(content: Cell, *, kind: str = "") -> str:
    """A paragraph, of a class of the style sheet if one is given."""
    return f'<p class="{kind}">{text(content)}</p>' if kind else f"<p>{text(content)}</p>"


def bullets(items: Iterable[Cell], *, kind: str = "notes") -> str:
    """A list of sentences, or nothing if there are none."""
    rows = "".join(f"<li>{text(item)}</li>" for item in items)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, words: int = 1) -> str:
    """A table whose first column names the rows; on a narrow screen every row becomes a card.

    Args:
        headings: of the columns.
        rows: their cells.
        words: how many columns from the left hold words; the others hold numbers, set to the right.
    """
    kinds = ["" if place < words else ' class="number"' for place in range(len(headings))]
    head = "".join(f'<th scope="col"{kind}>{text(heading)}</th>' for heading, kind in zip(headings, kinds, strict=True))
    body = "".join(_row(row, headings, kinds) for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def details(summary: str, content: str) -> str:
    """Something that is folded away until it is asked for."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>"


def section(title: str, *parts: str) -> str:
    """A section of the page, or nothing if all its parts are empty."""
    content = "".join(parts)
    return f"<section><h2>{text(title)}</h2>{content}</section>" if content else ""


def figure(svg: str, title: str, *, kind: str = "") -> str:
    """An SVG element as a figure that a screen reader can name."""
    named = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    return f'<figure class="{kind}">{named}</figure>' if kind else f"<figure>{named}</figure>"


def swatch(colour: str, name: str) -> Markup:
    """A name behind a square of its colour, which is one of `experiments.comparison.figure_style`."""
    return Markup(f'<span class="swatch" style="background:{for_page(escape(colour))}"></span>{escape(name)}')


def code(value: str) -> Markup:
    """Something to be read letter by letter."""
    return Markup(f"<code>{escape(value)}</code>")


def percent(value: float | None) -> str | None:
    """A share in percent."""
    return None if value is None else f"{100 * value:.2f}\N{NO-BREAK SPACE}%"


def interval(values: Mapping[str, float | None] | None, *, signed: bool = False, scale: float = 100.0) -> Markup | None:
    """An estimate with its interval, by itself in percent or percentage points; nothing where there is none."""
    if values is None or values["value"] is None:
        return None
    value, low, high = (
        "" if values[key] is None else f"{scale * (values[key] or 0.0):{'+' if signed else ''}.2f}".replace("-", MINUS)
        for key in ("value", "low", "high")
    )
    bounds = f' <span class="whole quiet">({low} to {high})</span>' if low else ""
    return Markup(f'<span class="whole">{value}</span>{bounds}')


def duration(seconds: float) -> str:
    """A time in its natural unit."""
    size, unit = next((item for item in _UNITS if seconds >= 2 * item[0]), (1.0, "s"))
    return f"{seconds / size:,.{0 if seconds / size >= 100 else 1}f} {unit}"


def count(value: float | None) -> str | None:
    """A large number in thousands, millions or billions."""
    if value is None or not math.isfinite(value):
        return None
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def plain(value: Any) -> Markup:  # noqa: ANN401 - any setting
    """A setting as it stands in a configuration."""
    return code(value if isinstance(value, str) else json.dumps(value))


def by_value(values: Mapping[str, Any]) -> Markup:
    """The values of a setting, each with the runs that have it."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(text(None if value is None else plain(value)), []).append(name)
    lines = [f'{value} <span class="quiet">{text(", ".join(names))}</span>' for value, names in groups.items()]
    return Markup("<br>".join(lines))


def _row(row: Sequence[Cell], headings: Sequence[str], kinds: Sequence[str]) -> str:
    first, *others = row
    cells = "".join(
        f'<td{kind} data-label="{escape(heading)}">{text(cell)}</td>'
        for cell, heading, kind in zip(others, headings[1:], kinds[1:], strict=True)
    )
    return f'<tr><th scope="row">{text(first)}</th>{cells}</tr>'
