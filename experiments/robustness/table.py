"""What `nas robustness` and `nas divergence` print for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.robustness.figure import short_names


def print_robustness(value: Mapping[str, Any], console: Console) -> None:
    """Prints what `experiments.robustness.run.measure_robustness` gave, with half-widths in place of intervals."""
    for network in value["networks"]:
        _say(console, f"{network['name']}: accuracy (%) on {value['num_images']:,} images")
        console.print(_shift_table(network, value["severities"]))
        if network["rewarded_for"]:
            _say(
                console, f"it was rewarded for accuracy under {', '.join(network['rewarded_for'])}: not a test of those"
            )
    console.print(_summary_table(value))
    first = f"; more drop: than {value['networks'][0]['name']}, on the same images" if value["differences"] else ""
    _say(
        console, f"in %; ± is half of the {value['confidence']:.0%} interval over images; shifted: mean over all{first}"
    )


def print_divergence(value: Mapping[str, Any], console: Console) -> None:
    """Prints what `experiments.robustness.divergence.measure_divergence` gave."""
    for network in value["networks"]:
        _say(console, f"{network['name']}: divergence of features on {value['num_images']:,} images")
        table = _table("layer", f"appearance ({value['shift']})", "content")
        for layer in network["layers"]:
            table.add_row(layer["name"], f"{layer['appearance']:.4f}", f"{layer['content']:.4f}")
        console.print(table)


def _shift_table(network: Mapping[str, Any], severities: list[int]) -> Table:
    table = _table("shift, severity", *map(str, severities), "mean", "drop")
    clean = network["clean"]["value"]
    table.add_row("none", *("" for _ in severities), f"{100 * clean:.1f}", "")
    for name, cells in network["shifts"].items():
        values = [cells[str(severity)]["accuracy"]["value"] for severity in severities]
        mean = sum(values) / len(values)
        table.add_row(name, *(f"{100 * v:.1f}" for v in values), f"{100 * mean:.1f}", f"{100 * (clean - mean):.1f}")
    return table


def _summary_table(value: Mapping[str, Any]) -> Table:
    differences = {each["name"]: each for each in value["differences"]}
    columns = ["network", "clean", "shifted", "drop", "worst"]
    table = _table(*columns, *(["more drop"] if differences else []))
    short = short_names([network["name"] for network in value["networks"]])
    for name, network in zip(short, value["networks"], strict=True):
        worst = network["worst"]
        row = [_percent(network[key]) for key in ("clean", "mean", "drop")]
        row.append(f"{_percent(worst)}\n{worst['shift']} {worst['severity']}")
        if differences:
            row.append(_percent(differences[network["name"]]["drop"]) if network["name"] in differences else "")
        table.add_row(Text(name, overflow="fold"), *row)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _percent(estimate: Mapping[str, float]) -> str:
    value, low, high = (100 * estimate[key] for key in ("value", "low", "high"))
    return f"{value:.1f} ±{(high - low) / 2:.1f}"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
