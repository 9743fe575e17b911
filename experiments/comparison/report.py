"""The report of a comparison: one page that needs no network, no scripts and no other file."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from experiments.architectures.draw import architecture_figure
from experiments.architectures.draw_edges import edge_cell_figure
from experiments.comparison.curve_panels import AXIS_NAMES, curve_panels
from experiments.comparison.difference_panels import differences_panel, ends_panel, num_rows
from experiments.comparison.figure_style import Comparison, colours, to_svg
from experiments.comparison.figures import draw_panel
from experiments.comparison.report_norms import norms_section
from experiments.comparison.report_parts import (
    Cell,
    Markup,
    bullets,
    by_value,
    code,
    count,
    details,
    duration,
    figure,
    interval,
    paragraph,
    percent,
    plain,
    section,
    swatch,
    table,
    text,
)
from experiments.comparison.verdict import MEASURES, capitalized, label, p_value
from nas.architecture import Architecture
from search_spaces.nasbench201 import EdgeCell


def write_report(comparison: Comparison, path: Path) -> None:
    """Writes the page.

    Args:
        comparison: from `experiments.comparison.run.compare_runs`, or
            `experiments.comparison.analysis.compare_strategies`, which knows no configuration and no environment.
        path: the file.
    """
    path.write_text(report_page(comparison), encoding="utf-8")


def report_page(comparison: Comparison) -> str:
    """The page as text."""
    style = importlib.resources.files("experiments.comparison").joinpath("report.css").read_text(encoding="utf-8")
    title = capitalized(" and ".join(label(each["name"]) for each in comparison["strategies"])) + " compared"
    body = "".join(
        (
            f"<header><h1>{text(title)}</h1>{paragraph(_subtitle(comparison), kind='quiet')}</header>",
            f'<div class="verdict">{"".join(paragraph(sentence) for sentence in comparison["verdict"])}</div>',
            bullets(comparison["notes"]),
            _strategies(comparison),
            _curves(comparison),
            _tests(comparison),
            _best(comparison),
            norms_section(comparison),
            _trials(comparison),
            _settings("Configuration", comparison.get("configuration")),
            _settings("Environment", comparison.get("environment")),
            _method(comparison),
            "<footer>Made by nas-engine. The file comparison.json beside this page holds every number in it.</footer>",
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def _subtitle(comparison: Comparison) -> str:
    runs = sum(each["num_runs"] for each in comparison["strategies"])
    common = (comparison.get("configuration") or {}).get("common", {})
    place = ", ".join(
        f"{what} {common[key]}" for what, key in (("data", "data.name"), ("space", "space.name")) if key in common
    )
    trials = f"{runs} run{'s' * (runs != 1)}, compared over {comparison['budget']['trials']:.0f} trials each"
    return f"{trials}; {place}" if place else trials


def _strategies(comparison: Comparison) -> str:
    measure = MEASURES[comparison["measure"]]
    rows = [
        (
            _name(comparison, each["name"]),
            each["num_runs"],
            interval(each["final"]),
            interval(each["final_iqm"]),
            interval(each["area_under_curve"]["trials"]),
            interval(each["gain_over_random"], signed=True),
        )
        for each in comparison["strategies"]
    ]
    headings = ("Strategy", "Runs", f"{capitalized(measure)} (%)", "Interquartile mean (%)", "Area under the curve (%)")
    random = comparison["random_architecture"]
    base = "" if random is None else f" The mean random architecture has a {measure} of {percent(random)}."
    return section(
        "What was compared",
        table((*headings, "Gain over mean random (%)"), rows),
        paragraph(
            f"The {measure} is that of the best architecture of each run at the end of the budget, chosen by "
            "validation accuracy; means over runs with 95 % intervals. The area is its mean over the budget in "
            f"trials.{base}",
            kind="quiet",
        ),
    )


def _curves(comparison: Comparison) -> str:
    names = bullets([_name(comparison, each["name"]) for each in comparison["strategies"]], kind="legend")
    drawn = "".join(
        figure(to_svg(draw_panel(panel), f"curve-{name}"), f"Curves: {name.replace('_', ' ')}")
        for name, panel in curve_panels(comparison).items()
    )
    return section("Curves", names, f'<div class="panels">{drawn}</div>')


def _tests(comparison: Comparison) -> str:
    if not comparison["tests"]:
        return ""
    rows = [
        (
            f"{capitalized(label(row['first']))} over {label(row['second'])}",
            _checkpoint(row),
            interval(row["difference"], signed=True),
            interval(row["probability_of_improvement"], scale=1.0),
            f"{row['u']:g}",
            p_value(row["p"]).removeprefix("= "),
            p_value(row["p_holm"]).removeprefix("= "),
            "yes" if row["shown"] else "no",
            row["seeds_needed"],
        )
        for row in comparison["tests"]
    ]
    headings = ("Pair", "After", "Difference (points)", "Probability of improvement", "U", "p", "p, Holm", "Shown")
    height = 0.9 + 0.23 * num_rows(comparison)
    ends = draw_panel(partial(ends_panel, comparison=comparison), height=max(2.6, 0.6 * len(comparison["strategies"])))
    apart = draw_panel(partial(differences_panel, comparison=comparison), height=max(2.6, min(height, 9.0)))
    drawn = figure(to_svg(ends, "ends"), "Where the runs end") + figure(to_svg(apart, "apart"), "Differences")
    return section(
        "Tests",
        f'<div class="panels">{drawn}</div>',
        table((*headings, "Seeds needed"), rows, words=2),
    )


def _checkpoint(row: Mapping[str, Any]) -> str:
    share = f"{100 * row['share']:.0f} %"
    if row["axis"] == "trials":
        return f"{row['point']:.0f} trials ({share})"
    return f"{duration(row['point'])} of {AXIS_NAMES[row['axis']].lower()} ({share})"


def _best(comparison: Comparison) -> str:
    rows, drawn = [], []
    for each in comparison["strategies"]:
        for rank, best in enumerate(each["best"], start=1):
            rows.append(_best_row(comparison, each["name"], rank, best))
        drawn.append(_cells(each))
    headings = ("Strategy", "Rank", "Run", "Trial", "Validation", "Test", "Parameters", "Multiply-adds", "Fingerprint")
    return section("Best architectures", table(headings, rows), *drawn)


def _best_row(comparison: Comparison, name: str, rank: int, best: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        _name(comparison, name),
        rank,
        best["run"],
        best.get("trial", best["place"] - 1),
        percent(best["accuracy"]),
        percent(best["test"]),
        count(best.get("num_parameters") or None),
        count(best.get("num_multiply_adds") or None),
        code(best["fingerprint"][:12]) if best["fingerprint"] else None,
    )


def _cells(strategy: Mapping[str, Any]) -> str:
    """The best architecture of a strategy: drawn if it is made of cells, else as it stands in the ledger."""
    value = strategy["best"][0].get("architecture") if strategy["best"] else None
    if value is None:
        return ""
    heading = f"<h3>{text('Best of ' + label(strategy['name']))}</h3>"
    as_text = details("As JSON", f"<pre>{text(code(json.dumps(value)))}</pre>")
    name = label(strategy["name"])
    if isinstance(value, dict) and "normal" in value:
        drawn, title = architecture_figure(Architecture.from_json(value)), f"Both cells of the best of {name}"
    elif isinstance(value, dict) and "arch" in value:
        drawn, title = edge_cell_figure(EdgeCell.from_json(value)), f"The best cell of {name}"
    else:
        return heading + as_text
    return heading + figure(to_svg(drawn, f"cells {strategy['name']}"), title, kind="cells") + as_text


def _trials(comparison: Comparison) -> str:
    kinds = sorted({kind for each in comparison["strategies"] for kind in each["trials"]["failed"]})
    rows = [_trial_row(_name(comparison, each["name"]), each, kinds) for each in comparison["strategies"]]
    headings = ("Trials", "Trained", "Cached", "Duplicates", *(f"Failed: {kind}" for kind in kinds))
    costs = ("Worker time", "a run", "a trial", "lost in failures")
    runs = [
        (
            run["name"],
            label(each["name"]),
            run["trials"]["total"],
            percent(run["incumbent_validation"]),
            percent(run["final"]),
            sum(run["trials"]["failed"].values()),
            duration(run["worker_seconds"]),
        )
        for each in comparison["strategies"]
        for run in each["runs"]
    ]
    ends = (
        "Run",
        "Strategy",
        "Trials",
        "Best validation",
        f"{capitalized(MEASURES[comparison['measure']])} at the end",
    )
    return section(
        "Trials, failures and cost",
        table(("Strategy", *headings, *costs), rows),
        paragraph("Duplicates are trials of an architecture that the run had measured before.", kind="quiet"),
        details("Every run", table((*ends, "Failed", "Worker time"), runs, words=2)),
    )


def _trial_row(name: Cell, strategy: Mapping[str, Any], kinds: list[str]) -> tuple[Cell, ...]:
    trials, cost = strategy["trials"], strategy["cost"]
    return (
        name,
        *(trials[key] for key in ("total", "trained", "cached", "duplicates")),
        *(trials["failed"].get(kind, 0) for kind in kinds),
        *(
            duration(cost[f"worker_seconds{part}"]) if cost["worker_seconds"] else None
            for part in ("", "_a_run", "_a_trial", "_of_failures")
        ),
    )


def _settings(title: str, settings: Mapping[str, Any] | None) -> str:
    if not settings:
        return ""
    rows = [(code(key), plain(value)) for key, value in settings["common"].items()]
    differing = [(code(row["key"]), by_value(row["values"])) for row in settings["differing"]]
    return section(
        title,
        table(("Where the runs differ", "Values"), differing, words=2)
        if differing
        else paragraph("The runs do not differ."),
        details(f"What all runs have in common ({len(rows)} settings)", table(("Setting", "Value"), rows, words=2)),
    )


def _method(comparison: Comparison) -> str:
    numbers = comparison["statistics"]
    return section(
        "How the numbers are made",
        bullets(
            (
                "The incumbent is the best architecture so far by validation accuracy; an architecture counts once, as "
                "first measured. The test accuracy, where there is one, chooses nothing.",
                f"Bands and intervals: percentile bootstrap over runs ({numbers['resamples_of_bands']} and "
                f"{numbers['resamples_of_intervals']} resamples), stretched for small numbers of runs by "
                "sqrt(n / (n - 1)) and the ratio of the t to the normal quantile. They hold point by point.",
                "Tests: Mann-Whitney U, two-sided, exact for few runs. Its p-values are corrected for all comparisons "
                "in the table together (Holm). A difference is shown if its corrected p is below 0.05.",
                "Probability of improvement: the chance that a run of the first ends above a run of the second.",
                "Seeds needed: runs of each strategy with which this test would show such a difference in 80 % of "
                "cases, without correction (Noether 1987).",
                "Worker time is the sum of the workers' seconds over all finished trials; cached ones cost nothing.",
            )
        ),
    )


def _name(comparison: Comparison, name: str) -> Markup:
    return swatch(colours(comparison)[name], capitalized(label(name)))
