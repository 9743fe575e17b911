"""What `nas robustness` and `nas divergence` print for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_robustness(value: Mapping[str, Any], console: Console) -> None:
    """Prints what `experiments.robustness.measure_robustness` gave."""
    for network in value["networks"]:
        _say(console, f"{network['name']}: accuracy (%) on {value['num_images']:,} images")
        console.print(_shift_table(network, value["severities"]))
        if network["rewarded_for"]:
            _say(
                console, f"it was rewarded for accuracy under {', '.join(network['rewarded_for'])}: not a test of those"
            )
    console.print(_summary_table(value))
    _say(console, f"in brackets: {value['confidence']:.0%} intervals over images")


def print_divergence(value: Mapping[str, Any], console: Console) -> None:
    """Prints what `experiments.divergence.measure_divergence` gave."""
    for network in value["networks"]:
        _say(console, f"{network['name']}: divergence of features on {value['num_images']:,} images")
        table = _table("layer", f"appearance ({value['shift']})", "content")
        for layer in network["layers"]:
            table.add_row(layer["name"], f"{layer['appearance']:.4f}", f"{layer['content']:.4f}")
        console.print(table)


def _shift_table(network: Mapping[str, Any], severities: list[int]) -> Table:
    table = _table("shift", *(f"severity {severity}" for severity in severities), "mean", "drop")
    clean = network["clean"]["value"]
    table.add_row("none", *("" for _ in severities), _percent(network["clean"]), "")
    for name, cells in network["shifts"].items():
        values = [cells[str(severity)]["accuracy"]["value"] for severity in severities]
        mean = sum(values) / len(values)
        table.add_row(name, *(f"{100 * v:.1f}" for v in values), f"{100 * mean:.1f}", f"{100 * (clean - mean):.1f}")
    return table


def _summary_table(value: Mapping[str, Any]) -> Table:
    differences = {each["name"]: each for each in value["differences"]}
    first = value["networks"][0]["name"]
    columns = ["network", "clean", "shifted, mean", "drop", "worst"]
    table = _table(*columns, *([f"drop less that of {first}"] if differences else []))
    for network in value["networks"]:
        worst = network["worst"]
        row = [_percent(network[key]) for key in ("clean", "mean", "drop")]
        row.append(f"{_percent(worst)} {worst['shift']} {worst['severity']}")
        if differences:
            row.append(_percent(differences[network["name"]]["drop"]) if network["name"] in differences else "")
        table.add_row(network["name"], *row)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _percent(estimate: Mapping[str, float]) -> str:
    value, low, high = (100 * estimate[key] for key in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
