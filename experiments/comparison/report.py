"""The report of a comparison: one self-contained HTML page without scripts."""

from __future__ import annotations

import importlib.resources
import json
from functools import partial

from experiments.architectures.draw import cell_figures
from experiments.architectures.draw_edges import edge_cell_figure
from experiments.comparison import report_parts as html
from experiments.comparison.curve_panels import curve_panels, draw_panel
from experiments.comparison.difference_panels import differences_panel, ends_panel, num_rows
from experiments.comparison.figure_style import coloured, to_svg
from experiments.comparison.formatting import AXIS_NAMES, MEASURES, capitalized, duration, label, p_value, plural
from experiments.comparison.norm_panel import draw_norm_shares
from experiments.comparison.norm_usage import NUM_BEST
from experiments.comparison.results import Comparison, PairTest, Settings, StrategySummary
from nas.architecture import Architecture
from nas.edge_cell import EdgeCell
from nas.models.normalization import NORMALIZATIONS


def report_page(comparison: Comparison) -> str:
    """Returns the page as text."""
    style = importlib.resources.files("experiments.comparison").joinpath("report.css").read_text(encoding="utf-8")
    title = capitalized(" and ".join(label(each.name) for each in comparison.strategies)) + " compared"
    body = "".join(
        (
            f"<header><h1>{html.text(title)}</h1>{html.paragraph(_subtitle(comparison), kind='quiet')}</header>",
            f'<div class="verdict">{"".join(html.paragraph(sentence) for sentence in comparison.verdict)}</div>',
            html.bullets(comparison.notes),
            _strategies(comparison),
            _curves(comparison),
            _tests(comparison),
            _best(comparison),
            _norms(comparison),
            _trials(comparison),
            _settings("Configuration", comparison.configuration),
            _settings("Environment", comparison.environment),
            _method(comparison),
            "<footer>Made by nas-engine. comparison.json in the same folder holds every number of this page.</footer>",
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.text(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def _subtitle(comparison: Comparison) -> str:
    runs = sum(each.num_runs for each in comparison.strategies)
    common = comparison.configuration.common if comparison.configuration else {}
    settings = [f", {name} {common[f'{name}.name']}" for name in ("data", "space") if f"{name}.name" in common]
    trials = f"{plural(runs, 'run')}, compared over {comparison.budget['trials']:.0f} trials each"
    return trials + "".join(settings)


def _strategies(comparison: Comparison) -> str:
    measure = MEASURES[comparison.measure]
    rows = [
        (
            name,
            each.num_runs,
            html.interval(each.final),
            html.interval(each.final_iqm),
            html.interval(each.area_under_curve["trials"]),
            html.interval(each.gain_over_random, signed=True),
        )
        for each, name in _named(comparison)
    ]
    headings = ("Strategy", "Runs", f"{capitalized(measure)} (%)", "Interquartile mean (%)", "Area under the curve (%)")
    random = html.percent(comparison.random_architecture)
    base = ""
    if random is not None:
        base = (
            f" The mean {measure} of random architectures is {random}; the relative gain is the difference from it, "
            "divided by it."
        )
    return html.section(
        "Strategies",
        html.table((*headings, "Relative gain over random (%)"), rows),
        html.paragraph(
            f"The {measure} is that of the best architecture of each run at the end of the budget, selected by "
            "validation accuracy; means over runs with 95 % intervals. The area under the curve is the mean of this "
            f"accuracy over the budget in trials.{base}",
            kind="quiet",
        ),
    )


def _curves(comparison: Comparison) -> str:
    names = html.bullets([name for _, name in _named(comparison)], kind="legend")
    drawn = "".join(
        html.figure(to_svg(draw_panel(panel), f"curve-{name}"), f"Curves: {name.replace('_', ' ')}")
        for name, panel in curve_panels(comparison).items()
    )
    return html.section("Curves", names, f'<div class="panels">{drawn}</div>')


def _tests(comparison: Comparison) -> str:
    if not comparison.tests:
        return ""
    rows = [
        (
            f"{capitalized(label(test.first))} over {label(test.second)}",
            _checkpoint(test),
            html.interval(test.difference, signed=True),
            html.interval(test.probability_of_improvement, scale=1.0),
            f"{test.u:g}",
            p_value(test.p).removeprefix("= "),
            p_value(test.p_holm).removeprefix("= "),
            "yes" if test.shown else "no",
            test.seeds_needed,
        )
        for test in comparison.tests
    ]
    headings = ("Pair", "After", "Difference (points)", "Probability of improvement", "U", "p", "p, Holm")
    height = 0.9 + 0.23 * num_rows(comparison)
    ends = draw_panel(partial(ends_panel, comparison=comparison), height=max(2.6, 0.6 * len(comparison.strategies)))
    apart = draw_panel(partial(differences_panel, comparison=comparison), height=max(2.6, min(height, 9.0)))
    drawn = html.figure(to_svg(ends, "ends"), "Final values") + html.figure(to_svg(apart, "apart"), "Differences")
    tested = html.table((*headings, "Significant", "Seeds needed"), rows, words=2)
    return html.section("Tests", f'<div class="panels">{drawn}</div>', tested)


def _checkpoint(test: PairTest) -> str:
    share = f"{100 * test.share:.0f} %"
    if test.axis == "trials":
        return f"{test.point:.0f} trials ({share})"
    return f"{duration(test.point)} of {AXIS_NAMES[test.axis].lower()} ({share})"


def _best(comparison: Comparison) -> str:
    rows = [
        (
            name,
            rank,
            best.run,
            best.place - 1 if best.trial is None else best.trial,
            html.percent(best.accuracy),
            html.percent(best.test),
            html.count(best.num_parameters),
            html.count(best.num_multiply_adds),
            html.code(best.fingerprint[:12]) if best.fingerprint else None,
        )
        for each, name in _named(comparison)
        for rank, best in enumerate(each.best, start=1)
    ]
    headings = ("Strategy", "Rank", "Run", "Trial", "Validation", "Test", "Parameters", "Multiply-adds", "Fingerprint")
    return html.section("Best architectures", html.table(headings, rows), *map(_cells, comparison.strategies))


def _cells(strategy: StrategySummary) -> str:
    """The best architecture of a strategy, drawn if it consists of cells, and as JSON."""
    value = strategy.best[0].architecture if strategy.best else None
    if value is None:
        return ""
    name = label(strategy.name)
    heading = f"<h3>{html.text('Best of ' + name)}</h3>"
    as_json = html.details("As JSON", f"<pre>{html.text(html.code(json.dumps(value)))}</pre>")
    if isinstance(value, dict) and "normal" in value:
        drawn = cell_figures(Architecture.from_json(value))
    elif isinstance(value, dict) and "arch" in value:
        drawn = {"Cell": edge_cell_figure(EdgeCell.from_json(value))}
    else:
        return heading + as_json
    figures = "".join(
        html.figure(to_svg(each, f"{cell} {strategy.name}"), f"{cell} of the best of {name}")
        for cell, each in drawn.items()
    )
    return f'{heading}<div class="cells">{figures}</div>{as_json}'


def _norms(comparison: Comparison) -> str:
    """The share of blocks with each norm by stage; empty where norms were not searched or are unknown."""
    searched = [(name, each.norms) for each, name in _named(comparison) if each.norms]
    if not searched:
        return ""
    used = {norm for _, stages in searched for stage in stages for norm in stage.all}
    norms = [norm for norm in NORMALIZATIONS if norm in used]
    rows: list[tuple[html.Cell, ...]] = [
        (name, f"{stage.stage} of {len(stages)}", group, *(html.percent(shares.get(norm, 0.0)) for norm in norms))
        for name, stages in searched
        for stage in stages
        for group, shares in (("all", stage.all), (f"best {NUM_BEST}", stage.best))
    ]
    named = {capitalized(label(each.name)): each.norms for each in comparison.strategies if each.norms}
    drawn = html.figure(to_svg(draw_norm_shares(named, norms), "norms"), "Shares of norms by stage", kind="norms")
    explained = (
        "Share of blocks with each norm, by stage from the image to the classifier, among all architectures of a "
        f"strategy and among its {NUM_BEST} best by reward; each architecture counts once. In stages to which an "
        "architecture does not apply instance-type norms, the batch norm that replaces them is counted."
    )
    return html.section(
        "Norms by stage",
        html.paragraph(explained),
        drawn,
        html.details("As a table", html.table(("Strategy", "Stage", "Of", *norms), rows, words=3)),
    )


def _trials(comparison: Comparison) -> str:
    kinds = sorted({kind for each in comparison.strategies for kind in each.trials.failed})
    rows = [_trial_row(name, each, kinds) for each, name in _named(comparison)]
    headings = ("Trials", "Trained", "Cached", "Duplicates", *(f"Failed: {kind}" for kind in kinds))
    costs = ("Worker time", "per run", "per trial", "of failed trials")
    runs = [
        (
            run.name,
            label(each.name),
            run.trials.total,
            html.percent(run.incumbent_validation),
            html.percent(run.final),
            sum(run.trials.failed.values()),
            duration(run.worker_seconds),
        )
        for each in comparison.strategies
        for run in each.runs
    ]
    final = f"Final {MEASURES[comparison.measure]}"
    run_headings = ("Run", "Strategy", "Trials", "Best validation", final, "Failed", "Worker time")
    return html.section(
        "Trials, failures and cost",
        html.table(("Strategy", *headings, *costs), rows),
        html.paragraph("Duplicates are trials of an architecture that the run had evaluated before.", kind="quiet"),
        html.details("All runs", html.table(run_headings, runs, words=2)),
    )


def _trial_row(name: html.Cell, strategy: StrategySummary, kinds: list[str]) -> tuple[html.Cell, ...]:
    trials, cost = strategy.trials, strategy.cost
    total = cost.worker_seconds
    seconds = (total, cost.worker_seconds_a_run, cost.worker_seconds_a_trial, cost.worker_seconds_of_failures)
    return (
        name,
        *(trials.total, trials.trained, trials.cached, trials.duplicates),
        *(trials.failed.get(kind, 0) for kind in kinds),
        *(duration(each) if total else None for each in seconds),
    )


def _settings(title: str, settings: Settings | None) -> str:
    if settings is None:
        return ""
    rows = [(html.code(key), html.plain(value)) for key, value in settings.common.items()]
    same = "The runs do not differ."
    differing = _differing(settings)
    found = html.table(("Setting that differs", "Values"), differing, words=2) if differing else html.paragraph(same)
    shared = html.table(("Setting", "Value"), rows, words=2)
    return html.section(title, found, html.details(f"Settings that all runs share ({len(rows)})", shared))


def _differing(settings: Settings) -> list[tuple[html.Cell, html.Cell]]:
    """The settings that differ, one a row; what only some runs have, such as those of a controller, in one row."""
    rows: list[tuple[html.Cell, html.Cell]] = []
    partial_rows: dict[tuple[str, ...], list[str]] = {}
    for each in settings.differing:
        having = {run: value for run, value in each.values.items() if value is not None}
        texts = {json.dumps(value) for value in having.values()}
        if len(having) < len(each.values) and len(texts) == 1:
            partial_rows.setdefault(tuple(having), []).append(f"{each.key}: {texts.pop()}")
        else:
            rows.append((html.code(each.key), html.by_value(having)))
    return rows + [(f"Only in {', '.join(runs)}", html.lines(found)) for runs, found in partial_rows.items()]


def _method(comparison: Comparison) -> str:
    numbers = comparison.statistics
    return html.section(
        "Methods",
        html.bullets(
            (
                "The incumbent is the best architecture so far by validation accuracy. Each architecture counts once, "
                "with its first evaluation. Test accuracy, where available, is never used for selection.",
                f"Bands and intervals: percentile bootstrap over runs ({numbers.resamples_of_bands} and "
                f"{numbers.resamples_of_intervals} resamples), stretched for small numbers of runs by "
                "sqrt(n / (n - 1)) and the ratio of the t to the normal quantile. They are pointwise.",
                "Tests: two-sided Mann-Whitney U, exact for few runs, with p-values corrected for all comparisons in "
                "the table (Holm). A difference is significant if its corrected p is below 0.05.",
                "Probability of improvement: the chance that a run of the first strategy exceeds a run of the second.",
                "Seeds needed: runs of each strategy with which this test would detect the difference with a power of "
                f"{numbers.power:.0%}, without correction (Noether 1987).",
                "Worker time is the sum of the workers' seconds over all finished trials; cached trials take none.",
            )
        ),
    )


def _named(comparison: Comparison) -> list[tuple[StrategySummary, html.Markup]]:
    """The strategies, each with its name in its colour."""
    return [(each, html.swatch(colour, capitalized(label(each.name)))) for each, colour in coloured(comparison)]
