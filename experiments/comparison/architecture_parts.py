"""The parts of the report about architectures: the best ones with their cells, and the norms by stage."""

from __future__ import annotations

import json

from experiments.architectures.draw import cell_figures
from experiments.comparison import report_parts as html
from experiments.comparison.figure_style import coloured, to_svg
from experiments.comparison.formatting import capitalized, label
from experiments.comparison.norm_panel import draw_norm_shares
from experiments.comparison.norm_usage import NUM_BEST
from experiments.comparison.results import Comparison, StrategySummary
from nas.descriptions import cells_from_json
from nas.models.normalization import NORMALIZATIONS


def best_section(comparison: Comparison) -> str:
    """The section of the best architectures, with the cells of the best of each strategy."""
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
        for each, name in named(comparison)
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
    if not isinstance(value, dict) or not ("normal" in value or str(value.get("arch")).startswith("|")):
        return heading + as_json
    figures = "".join(
        html.figure(to_svg(each, f"{cell} {strategy.name}"), f"{cell} of the best of {name}")
        for cell, each in cell_figures(cells_from_json(value)).items()
    )
    return f'{heading}<div class="cells">{figures}</div>{as_json}'


def norms_section(comparison: Comparison) -> str:
    """The share of blocks with each norm by stage; empty where norms were not searched or are unknown."""
    searched = [(name, each.norms) for each, name in named(comparison) if each.norms]
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
    by_name = {capitalized(label(each.name)): each.norms for each in comparison.strategies if each.norms}
    drawn = html.figure(to_svg(draw_norm_shares(by_name, norms), "norms"), "Shares of norms by stage", kind="norms")
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


def named(comparison: Comparison) -> list[tuple[StrategySummary, html.Markup]]:
    """The strategies, each with its name in its colour."""
    return [(each, html.swatch(colour, capitalized(label(each.name)))) for each, colour in coloured(comparison)]
