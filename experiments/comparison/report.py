"""The report of a comparison: one self-contained HTML page without scripts."""

from __future__ import annotations

import importlib.resources
import json
from functools import partial

from experiments.comparison import report_parts as html
from experiments.comparison.architecture_parts import best_section, named, norms_section
from experiments.comparison.curve_panels import curve_panels, draw_panel
from experiments.comparison.difference_panels import differences_panel, ends_panel, num_rows
from experiments.comparison.figure_style import to_svg
from experiments.comparison.formatting import AXIS_NAMES, MEASURES, capitalized, duration, label, p_value, plural
from experiments.comparison.results import Comparison, PairTest, Settings, StrategySummary
from experiments.comparison.target_parts import LOG_RANK_HEADER, TARGET_HEADER, log_rank_rows, target_rows, target_text


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
            _targets(comparison),
            best_section(comparison),
            norms_section(comparison),
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
        for each, name in named(comparison)
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
            "the reward that the search maximized; means over runs with 95 % intervals. The area under the curve is "
            f"the mean of this accuracy over the budget in trials.{base}",
            kind="quiet",
        ),
    )


def _curves(comparison: Comparison) -> str:
    names = html.bullets([name for _, name in named(comparison)], kind="legend")
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


def _targets(comparison: Comparison) -> str:
    targets = comparison.targets
    if targets is None:
        return ""
    explained = (
        f"The target is {target_text(targets)}. A run reaches it with its first incumbent of at least this accuracy; a "
        "run that does not is censored at the end of the budget, and counts with it in the mean."
    )
    tests = list(log_rank_rows(targets))
    return html.section(
        "Trials and time to a target",
        html.paragraph(explained, kind="quiet"),
        html.table(tuple(map(capitalized, TARGET_HEADER)), target_rows(targets), words=2),
        html.table(tuple(map(capitalized, LOG_RANK_HEADER)), tests, words=2) if tests else "",
    )


def _checkpoint(test: PairTest) -> str:
    share = f"{100 * test.share:.0f} %"
    if test.axis == "trials":
        return f"{test.point:.0f} trials ({share})"
    return f"{duration(test.point)} of {AXIS_NAMES[test.axis].lower()} ({share})"


def _trials(comparison: Comparison) -> str:
    kinds = sorted({kind for each in comparison.strategies for kind in each.trials.failed})
    rows = [_trial_row(name, each, kinds) for each, name in named(comparison)]
    headings = ("Trials", "Distinct", "Trained", "Cached", "Duplicates", *(f"Failed: {kind}" for kind in kinds))
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
        html.paragraph(
            "Distinct architectures are counted in each run; duplicates are trials of an architecture that the run had "
            "evaluated before.",
            kind="quiet",
        ),
        html.details("All runs", html.table(run_headings, runs, words=2)),
    )


def _trial_row(name: html.Cell, strategy: StrategySummary, kinds: list[str]) -> tuple[html.Cell, ...]:
    trials, cost = strategy.trials, strategy.cost
    total = cost.worker_seconds
    seconds = (total, cost.worker_seconds_a_run, cost.worker_seconds_a_trial, cost.worker_seconds_of_failures)
    return (
        name,
        *(trials.total, trials.distinct, trials.trained, trials.cached, trials.duplicates),
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
                "The incumbent is the best architecture so far by the reward that the search was told, which is the "
                "validation accuracy unless the configuration names another. Each architecture counts once, with its "
                "first evaluation. Test accuracy, where available, is never used for selection.",
                f"Bands and intervals: percentile bootstrap over runs ({numbers.resamples_of_bands} and "
                f"{numbers.resamples_of_intervals} resamples), stretched for small numbers of runs by "
                "sqrt(n / (n - 1)) and the ratio of the t to the normal quantile. They are pointwise.",
                "Tests: two-sided Mann-Whitney U, exact for few runs, with p-values corrected for all comparisons in "
                "the table (Holm). A difference is significant if its corrected p is below 0.05.",
                "Probability of improvement: the chance that a run of the first strategy exceeds a run of the second, "
                "with Newcombe's score interval (2006).",
                "Trials to a target: Kaplan-Meier curves; two-sided log-rank tests, corrected for all of them (Holm).",
                "Seeds needed: runs of each strategy with which this test would detect the difference with a power of "
                f"{numbers.power:.0%}, without correction (Noether 1987).",
                "Worker time is the sum of the workers' seconds over all finished trials; cached trials take none.",
            )
        ),
    )
