"""The tables of a study of pre-training, for Markdown and for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from rich.console import Console

from experiments.comparison.formatting import NOTHING, interval_text, number
from experiments.comparison.tables import markdown_table, terminal_table
from experiments.runs.printing import say
from experiments.study.results import LOSS, SCORES, SPLITS, Setting, Spread, StudySummary

_HEAD = ("images", "schedule", "iterations", "from scratch", "pre-trained", "difference")


def markdown_study(study: StudySummary) -> str:
    """Formats all tables and the verdict as Markdown."""
    lines = [f"**{title}**\n\n{markdown_table(_HEAD, rows, words=0)}\n" for title, rows in _tables(study)]
    return "\n".join([*lines, _explanation(study), "", *(f"- {sentence}" for sentence in study.verdict)]) + "\n"


def print_study(study: StudySummary, console: Console) -> None:
    """Prints all tables and the verdict."""
    for title, rows in _tables(study):
        console.print(terminal_table(_HEAD, rows, words=0, title=title))
    for sentence in (_explanation(study), *study.verdict):
        say(console, sentence)


def _tables(study: StudySummary) -> Iterator[tuple[str, list[list[str]]]]:
    """Title and rows of each table."""
    for split, kind, score in product(SPLITS, study.kinds, SCORES):
        count = study.num_measured[split]
        where = f"{count} validation images" if split == "val" else f"training images, {count} at most"
        title = f"{kind.capitalize()} {SCORES[score]} on {where}, %"
        yield title, [_row(setting, f"{split}.{kind}.{score}") for setting in study.settings]
    yield "Final training loss", [_row(setting, LOSS) for setting in study.settings]


def _row(setting: Setting, key: str) -> list[str]:
    measure = setting.measures[key]
    scale, digits = (1, 3) if key == LOSS else (100, 2)
    return [
        f"{setting.num_pictures:,}",
        setting.schedule,
        f"{setting.num_iterations:,}",
        *(_spread(spread, scale, digits) for spread in (measure.scratch, measure.pretrained)),
        interval_text(measure.difference, digits=digits, signed=True, scale=scale),
    ]


def _spread(spread: Spread, scale: float, digits: int) -> str:
    if math.isnan(spread.mean):
        return NOTHING
    mean = number(scale * spread.mean, digits=digits)
    return mean if math.isnan(spread.deviation) else f"{mean} ± {number(scale * spread.deviation, digits=digits)}"


def _explanation(study: StudySummary) -> str:
    if study.num_seeds < 2:
        return "One seed; differences are pre-trained minus scratch."
    return (
        f"Mean and standard deviation over {study.num_seeds} seeds; differences are pre-trained minus scratch, paired "
        f"by seed, with {study.confidence:.0%} bootstrap intervals over seeds."
    )
