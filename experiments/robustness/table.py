"""Tables of `nas robustness` and `nas divergence` for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.comparison.statistics import Interval
from experiments.comparison.tables import terminal_table
from experiments.robustness.figure import short_names
from experiments.robustness.results import Divergence, NetworkRobustness, Robustness
from experiments.runs.printing import say
from nas.data.report import describe_counts


def print_robustness(result: Robustness, console: Console) -> None:
    """Prints accuracies by shift and a summary, with half-widths of the intervals."""
    _say_images(result.images, console)
    for network in result.networks:
        say(console, f"{network.name}: accuracy (%) on {result.num_images:,} images")
        console.print(_shift_table(network, result.severities))
        if network.rewarded_for:
            say(console, f"its reward included accuracy under {', '.join(network.rewarded_for)}, which is no test then")
    console.print(_summary_table(result))
    first = f"; more drop: than {result.networks[0].name}, on the same images" if result.differences else ""
    say(
        console,
        f"in %; ± is half of the {result.confidence:.0%} interval over images; shifted: mean over all shifts{first}",
    )


def print_divergence(result: Divergence, console: Console) -> None:
    """Prints the divergences of each layer."""
    _say_images(result.images, console)
    for network in result.networks:
        say(console, f"{network.name}: divergence of features on {result.num_images:,} images")
        rows = [(each.name, f"{each.appearance:.4f}", f"{each.content:.4f}") for each in network.layers]
        console.print(terminal_table(("layer", f"appearance ({result.shift})", "content"), rows))


def _say_images(images: Mapping[str, Any] | None, console: Console) -> None:
    if images is not None:
        say(console, describe_counts(images))


def _shift_table(network: NetworkRobustness, severities: tuple[int, ...]) -> Table:
    clean = network.clean.value
    rows = [["none", *("" for _ in severities), f"{100 * clean:.1f}", ""]]
    for name, scores in network.shifts.items():
        values = [scores[str(severity)].accuracy.value for severity in severities]
        mean = sum(values) / len(values)
        rows.append([name, *(f"{100 * value:.1f}" for value in (*values, mean, clean - mean))])
    return terminal_table(("shift, severity", *map(str, severities), "mean", "drop"), rows)


def _summary_table(result: Robustness) -> Table:
    differences = {each.name: each for each in result.differences}
    rows = []
    for name, network in zip(short_names([each.name for each in result.networks]), result.networks, strict=True):
        worst = network.worst
        row = [name, *map(_percent, (network.clean, network.mean, network.drop))]
        row.append(f"{_percent(worst)}\n{worst.shift} {worst.severity}")
        if differences:
            row.append(_percent(differences[network.name].drop) if network.name in differences else "")
        rows.append(row)
    more = ("more drop",) if differences else ()
    return terminal_table(("network", "clean", "shifted", "drop", "worst", *more), rows)


def _percent(estimate: Interval) -> str:
    return f"{100 * estimate.value:.1f} ±{100 * estimate.half_width:.1f}"
