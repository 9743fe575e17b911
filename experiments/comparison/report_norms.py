"""The section of a report on the norms that searched cells use in shallow and in deep stages."""

from __future__ import annotations

from experiments.comparison.figure_style import coloured
from experiments.comparison.formatting import capitalized, label
from experiments.comparison.norm_usage import NUM_BEST
from experiments.comparison.report_parts import Cell, paragraph, percent, section, swatch, table
from experiments.comparison.results import Comparison
from nas.models.normalization import NORMALIZATIONS


def norms_section(comparison: Comparison) -> str:
    """Tables the share of blocks with each norm by stage; empty where norms were not searched or are unknown."""
    searched = [(each, colour, each.norms) for each, colour in coloured(comparison) if each.norms]
    if not searched:
        return ""
    used = {norm for _, _, stages in searched for stage in stages for norm in stage.all}
    norms = [norm for norm in NORMALIZATIONS if norm in used]
    rows: list[tuple[Cell, ...]] = [
        (
            swatch(colour, capitalized(label(each.name))),
            f"{stage.stage} of {len(stages)}",
            group,
            *(percent(shares.get(norm, 0.0)) for norm in norms),
        )
        for each, colour, stages in searched
        for stage in stages
        for group, shares in (("all", stage.all), (f"best {NUM_BEST}", stage.best))
    ]
    explained = (
        "Share of blocks with each norm, by stage from the image to the classifier, among all architectures of a "
        f"strategy and among its {NUM_BEST} best by reward; each architecture counts once. In stages to which an "
        "architecture does not apply instance-type norms, the batch norm that replaces them is counted."
    )
    return section("Norms by stage", paragraph(explained), table(("Strategy", "Stage", "Of", *norms), rows, words=3))
