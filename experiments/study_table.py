"""A study of pre-training as tables, for Markdown and for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.study_plan import PRETRAINED, SCRATCH

NONE = "-"
_SCORES = {"ap": "AP", "ap50": "AP50"}

_Value = Mapping[str, Any]


def markdown_study(value: _Value) -> str:
    """Tables, then what follows from them."""
    lines = []
    for title, head, rows in _tables(value):
        rule = f"|{'---:|' * len(head)}"
        table = [f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)]
        lines += [f"**{title}**", "", *table, ""]
    lines += [_explanation(value), "", *(f"- {sentence}" for sentence in value["verdict"])]
    return "\n".join(lines) + "\n"


def print_study(value: _Value, console: Console) -> None:
    """Prints tables and verdict."""
    for title, head, rows in _tables(value):
        table = Table(title=title)
        for name in head:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for sentence in (_explanation(value), *value["verdict"]):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _tables(value: _Value) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, head and rows of each."""
    for split in ("val", "train"):
        for kind in value["kinds"]:
            number = value["num_measured"][split]
            where = f"{number} new pictures" if split == "val" else f"training pictures, {number} at most"
            title = f"{kind.capitalize()} AP on {where}, %"
            yield _table(value, title, {f"{split}.{kind}.{score}": text for score, text in _SCORES.items()})
    yield _table(value, "Training loss at the end", {"loss": "loss"})


def _table(value: _Value, title: str, measures: Mapping[str, str]) -> tuple[str, list[str], list[list[str]]]:
    head = ["pictures", "schedule", "iterations"]
    for text in measures.values():
        head += [f"{text}, scratch", f"{text}, pre-trained", f"difference in {text}"]
    rows = [
        [
            f"{setting['num_pictures']:,}",
            setting["schedule"],
            f"{setting['num_iterations']:,}",
            *(cell for key in measures for cell in _cells(setting["measures"][key], key)),
        ]
        for setting in value["settings"]
    ]
    return title, head, rows


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
