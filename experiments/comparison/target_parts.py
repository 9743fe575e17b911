"""How soon strategies reach the target: rows of tables, and the panel of curves."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes

from experiments.comparison.figure_style import coloured, finish
from experiments.comparison.formatting import duration, label, p_value
from experiments.comparison.results import Comparison, Targets, TargetSummary

TARGET_HEADER = ("strategy", "until the target", "reached", "mean, censored", "median")
LOG_RANK_HEADER = ("pair", "until the target", "p, log-rank", "p, Holm", "significant")


def target_text(targets: Targets) -> str:
    """What the target is, as a phrase."""
    which = "the best incumbent of all runs" if targets.best_known else "as requested"
    return f"a validation accuracy of {targets.accuracy:.2%}, {which}"


def target_rows(targets: Targets) -> list[tuple[str, str, str, str, str]]:
    """One row for each strategy and axis."""
    return [
        (
            label(each.name),
            _axis(each.axis),
            f"{each.num_reached} of {each.num_runs}",
            _interval(each),
            "not reached by half" if each.median is None else _amount(each.median, each.axis),
        )
        for each in targets.strategies
    ]


def log_rank_rows(targets: Targets) -> Iterator[tuple[str, ...]]:
    """One row for each pair and axis."""
    for test in targets.tests:
        pair = f"{label(test.first)} and {label(test.second)}"
        values = (p_value(p).removeprefix("= ") for p in (test.p, test.p_holm))
        yield (pair, _axis(test.axis), *values, "yes" if test.shown else "no")


def targets_panel(axes: Axes, *, comparison: Comparison) -> None:
    """Draws the share of runs that have reached the target after so many trials."""
    if comparison.targets is None:
        return
    curves = {each.name: each.curve for each in comparison.targets.strategies if each.axis == "trials"}
    for each, colour in coloured(comparison):
        curve = curves[each.name]
        axes.plot(curve.points, 100 * curve.share, color=colour, lw=1.9, ds="steps-post", zorder=4)
    detail = f"validation accuracy of {comparison.targets.accuracy:.2%}"
    finish(axes, "Runs that have reached the target", detail, "Runs (%)")
    axes.set_xlabel("Trials")
    axes.set_xlim(0, comparison.budget["trials"] * 1.01)
    axes.set_ylim(-2, 102)


def _interval(each: TargetSummary) -> str:
    value = _amount(each.mean.value, each.axis)
    if not each.mean.bounded:
        return value
    return f"{value} ({_amount(each.mean.low, each.axis)} to {_amount(each.mean.high, each.axis)})"


def _amount(value: float, axis: str) -> str:
    return f"{value:.0f}" if axis == "trials" else duration(max(value, 0.0))


def _axis(axis: str) -> str:
    return axis.replace("_", " ").removesuffix(" seconds") + (" time" if axis != "trials" else "")
