"""The part of a report that says which norms found cells use in shallow and in deep stages."""

from __future__ import annotations

from experiments.comparison.figure_style import Comparison, colours
from experiments.comparison.norm_usage import NUM_BEST
from experiments.comparison.report_parts import Cell, paragraph, percent, section, swatch, table
from experiments.comparison.verdict import capitalized, label
from nas.models.normalization import NORMALIZATIONS


def norms_section(comparison: Comparison) -> str:
    """Shares of blocks with each norm, stage by stage; nothing where norms were not searched or are not known."""
    strategies = [each for each in comparison["strategies"] if each.get("norms")]
    if not strategies:
        return ""
    used = {norm for each in strategies for row in each["norms"] for norm in row["all"]}
    norms = [norm for norm in NORMALIZATIONS if norm in used]
    rows: list[tuple[Cell, ...]] = [
        (
            swatch(colours(comparison)[each["name"]], capitalized(label(each["name"]))),
            f"{row['stage']} of {len(each['norms'])}",
            f"best {NUM_BEST}" if group == "best" else "all",
            *(percent(row[group].get(norm, 0.0)) for norm in norms),
        )
        for each in strategies
        for row in each["norms"]
        for group in ("all", "best")
    ]
    explained = (
        "Shares of the blocks with each norm, by stage from the image to the classifier, among all architectures of a "
        f"strategy and among its {NUM_BEST} best by reward; each architecture counts once. Where an architecture keeps "
        "instance-type norms to its first stages, deeper ones count with the batch norm that stands there."
    )
    return section("Norms by stage", paragraph(explained), table(("Strategy", "Stage", "Of", *norms), rows, words=3))
