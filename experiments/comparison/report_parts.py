"""Elements of an HTML page: tables, figures and numbers. All text from outside is escaped here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from experiments.comparison.figure_style import for_page
from experiments.comparison.formatting import interval_text
from experiments.comparison.statistics import Interval

DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML already."""

    html: str


Cell = str | int | Markup | None


def text(value: Cell) -> str:
    """Converts a cell or a sentence to HTML: escaped unless it is markup, a dash for None."""
    if isinstance(value, Markup):
        return value.html
    return DASH if value is None else escape(str(value))


def paragraph(content: Cell, *, kind: str = "") -> str:
    """Makes a paragraph, of a class of the style sheet if one is given."""
    return f'<p class="{kind}">{text(content)}</p>' if kind else f"<p>{text(content)}</p>"


def bullets(items: Iterable[Cell], *, kind: str = "notes") -> str:
    """Makes a list of sentences; empty if there are none."""
    rows = "".join(f"<li>{text(item)}</li>" for item in items)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, words: int = 1) -> str:
    """Makes a table whose first `words` columns hold words and the others numbers; on a narrow screen, cards."""
    kinds = ["" if place < words else ' class="number"' for place in range(len(headings))]
    head = "".join(f'<th scope="col"{kind}>{text(heading)}</th>' for heading, kind in zip(headings, kinds, strict=True))
    body = "".join(_row(row, headings, kinds) for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def details(summary: str, content: str) -> str:
    """Makes a section that is collapsed at first."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>"


def section(title: str, *parts: str) -> str:
    """Makes a section of the page; empty if all its parts are."""
    content = "".join(parts)
    return f"<section><h2>{text(title)}</h2>{content}</section>" if content else ""


def figure(svg: str, title: str, *, kind: str = "") -> str:
    """Makes a figure of an SVG element, with a name for screen readers."""
    named = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    return f'<figure class="{kind}">{named}</figure>' if kind else f"<figure>{named}</figure>"


def swatch(colour: str, name: str) -> Markup:
    """Makes a name with a square of its colour, which is one of `experiments.comparison.figure_style`."""
    return Markup(f'<span class="swatch" style="background:{for_page(escape(colour))}"></span>{escape(name)}')


def code(value: str) -> Markup:
    """Marks text as code."""
    return Markup(f"<code>{escape(value)}</code>")


def percent(value: float | None) -> str | None:
    """Formats a share in percent; None where there is no number."""
    return None if value is None or math.isnan(value) else f"{100 * value:.2f}\N{NO-BREAK SPACE}%"


def interval(values: Interval | None, *, signed: bool = False, scale: float = 100.0) -> Markup | None:
    """Formats an estimate with its bounds, by default in percent or percentage points; None where there is none."""
    if values is None or math.isnan(values.value):
        return None
    value, _, bounds = interval_text(values, signed=signed, scale=scale).partition(" ")
    bounds = bounds and f' <span class="whole quiet">{bounds}</span>'
    return Markup(f'<span class="whole">{value}</span>{bounds}')


def count(value: int | None) -> str | None:
    """Formats a large number in thousands, millions or billions; None where there is none."""
    if not value:
        return None
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def plain(value: Any) -> Markup:  # noqa: ANN401 - any setting
    """Formats a setting as a configuration has it."""
    return code(value if isinstance(value, str) else json.dumps(value))


def by_value(values: Mapping[str, Any]) -> Markup:
    """Lists the values of a setting, each with the runs that have it."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(text(None if value is None else plain(value)), []).append(name)
    lines = [f'{value} <span class="quiet">{text(", ".join(names))}</span>' for value, names in groups.items()]
    return Markup("<br>".join(lines))


def lines(values: Iterable[str]) -> Markup:
    """Lists texts as code, one a line."""
    return Markup("<br>".join(code(value).html for value in values))


def _row(row: Sequence[Cell], headings: Sequence[str], kinds: Sequence[str]) -> str:
    first, *others = row
    cells = "".join(
        f'<td{kind} data-label="{escape(heading)}">{text(cell)}</td>'
        for cell, heading, kind in zip(others, headings[1:], kinds[1:], strict=True)
    )
    return f'<tr><th scope="row">{text(first)}</th>{cells}</tr>'
