"""A study of pre-training as tables, for Markdown and for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.study.plan import PRETRAINED, SCRATCH

NONE = "-"
_HEAD = ("pictures", "schedule", "iterations", "from scratch", "pre-trained", "difference")
_SCORES = {"ap": "AP", "ap50": "AP50"}

_Value = Mapping[str, Any]


def markdown_study(value: _Value) -> str:
    """Tables, then what follows from them."""
    lines: list[str] = []
    for title, rows in _tables(value):
        table = [f"| {' | '.join(row)} |" for row in (_HEAD, *rows)]
        lines += [f"**{title}**", "", table[0], f"|{'---:|' * len(_HEAD)}", *table[1:], ""]
    lines += [_explanation(value), "", *(f"- {sentence}" for sentence in value["verdict"])]
    return "\n".join(lines) + "\n"


def print_study(value: _Value, console: Console) -> None:
    """Prints tables and verdict."""
    for title, rows in _tables(value):
        table = Table(title=title)
        for name in _HEAD:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for sentence in (_explanation(value), *value["verdict"]):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _tables(value: _Value) -> Iterator[tuple[str, list[list[str]]]]:
    """Title and rows of each."""
    for split, kind, score in product(("val", "train"), value["kinds"], _SCORES):
        number = value["num_measured"][split]
        where = f"{number} new pictures" if split == "val" else f"training pictures, {number} at most"
        title = f"{kind.capitalize()} {_SCORES[score]} on {where}, %"
        yield title, [_row(setting, f"{split}.{kind}.{score}") for setting in value["settings"]]
    yield "Training loss at the end", [_row(setting, "loss") for setting in value["settings"]]


def _row(setting: _Value, key: str) -> list[str]:
    counts = [f"{setting['num_pictures']:,}", setting["schedule"], f"{setting['num_iterations']:,}"]
    return [*counts, *_cells(setting["measures"][key], key)]


def _cells(measure: _Value, key: str) -> list[str]:
    return [_spread(measure[SCRATCH], key), _spread(measure[PRETRAINED], key), _difference(measure["difference"], key)]


def _spread(spread: _Value, key: str) -> str:
    if spread["mean"] is None:
        return NONE
    mean = _number(spread["mean"], key)
    return mean if spread["deviation"] is None else f"{mean} ± {_number(spread['deviation'], key)}"


def _difference(interval: _Value, key: str) -> str:
    if interval["value"] is None:
        return NONE
    middle = _number(interval["value"], key, sign="+")
    if interval["low"] is None:
        return middle
    return f"{middle} ({_number(interval['low'], key, sign='+')} to {_number(interval['high'], key, sign='+')})"


def _number(number: float, key: str, *, sign: str = "") -> str:
    return f"{number:{sign}.3f}" if key == "loss" else f"{100 * number:{sign}.2f}"


def _explanation(value: _Value) -> str:
    if value["num_seeds"] < 2:
        return "One seed; differences are pre-trained minus scratch."
    return (
        f"Mean and standard deviation over {value['num_seeds']} seeds; differences are pre-trained minus scratch, seed "
        f"by seed, with {value['confidence']:.0%} intervals by the bootstrap over seeds."
    )
