"""`nas compare`: runs side by side, grouped by controller: curves, tests, a report, and every number as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.figure_style import save
from experiments.comparison.figures import draw_curves, draw_differences
from experiments.comparison.loading import LoadedRun, group_runs, load_run, objections, split_common
from experiments.comparison.norm_usage import norm_usage
from experiments.comparison.report import write_report
from experiments.comparison.report_parts import duration
from experiments.comparison.verdict import MEASURES, label
from nas.trial import Success

MOST_SHOWN = 8
"""So many differences are shown before a comparison is refused."""


def compare_runs(runs: Sequence[Path], out: Path, *, force: bool = False) -> dict[str, Any]:
    """Compares run folders and writes figures, ``comparison.json`` and ``report.html``.

    Args:
        runs: one or more run folders; runs of one controller with the same settings are seeds of one strategy.
        out: the folder for the results; made if missing.
        force: compares runs even if they differ in space, fidelity, data or budget, or repeat a seed; the results
            then say so.

    Returns:
        The comparison (see `experiments.comparison.analysis.compare_strategies`), with ``configuration``,
        ``environment``, ``objections`` and the architectures of the best; ``files`` names what was written.

    Raises:
        ValueError: if a folder holds no run, is given twice, or the runs may not be compared; the message shows the
            differences.
    """
    if not runs:
        raise ValueError("there must be at least one run to compare")
    paths = [path.resolve() for path in runs]
    if twice := {str(path) for path, full in zip(runs, paths, strict=True) if paths.count(full) > 1}:
        raise ValueError(f"every run must be given once, got {' and '.join(sorted(twice))} more than once")
    loaded = [load_run(path) for path in runs]
    found = objections(loaded)
    if found and not force:
        more = f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        shown = "; ".join(found[:MOST_SHOWN])
        raise ValueError(f"the runs may not be compared, unless with --force: {shown}{more}")
    comparison = compare_strategies(group_runs(loaded))
    by_name = {run.name: run for run in loaded}
    _add_architectures(comparison, by_name)
    _add_norms(comparison, by_name)
    comparison |= {
        "objections": found,
        "configuration": _configuration(loaded),
        "environment": split_common({run.name: run.environment for run in loaded}),
    }
    comparison["notes"] = _notes(loaded, found) + comparison["notes"]
    return comparison | {"files": write_comparison(comparison, out)}


def print_comparison(comparison: Mapping[str, Any], console: Console) -> None:
    """Prints a comparison for a person: a row a strategy, what it says, what limits it, and where the files lie."""
    table = Table("strategy", "runs", f"{MEASURES[comparison['measure']]} (95 %)", "trials", "failed", "worker time")
    for column in table.columns[1:]:
        column.justify = "right"
    for each in comparison["strategies"]:
        trials, spent = each["trials"], each["cost"]["worker_seconds"]
        cells = (each["num_runs"], _final(each), trials["total"], sum(trials["failed"].values()), duration(spent))
        table.add_row(Text(label(each["name"])), *(Text(str(cell)) for cell in cells))
    console.print(table)
    for sentence in (*comparison["verdict"], *comparison["notes"], *comparison.get("files", ())):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _final(strategy: Mapping[str, Any]) -> str:
    value, low, high = (strategy["final"][key] for key in ("value", "low", "high"))
    if value is None:
        return "none yet"
    return f"{value:.2%}" if low is None else f"{value:.2%} ({low:.2%} to {high:.2%})"


def write_comparison(comparison: Mapping[str, Any], out: Path) -> list[str]:
    """Writes ``comparison.json``, the figures as PNG and SVG, and ``report.html`` into a folder, made if missing.

    Returns:
        The paths of what was written.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = out / "comparison.json"
    data.write_text(json.dumps(comparison, allow_nan=False) + "\n", encoding="utf-8")
    written = [data]
    for name, draw in {"curves": draw_curves, "differences": draw_differences}.items():
        if name == "differences" and not comparison["tests"]:
            continue
        figure = draw(comparison)
        for path in (out / f"{name}.png", out / f"{name}.svg"):
            save(figure, path)
            written.append(path)
    report = out / "report.html"
    write_report(comparison, report)
    return [str(path) for path in (*written, report)]


def _add_architectures(comparison: Mapping[str, Any], runs: Mapping[str, LoadedRun]) -> None:
    """Says of each best architecture what it is and what it costs."""
    for strategy in comparison["strategies"]:
        for best in strategy["best"]:
            record = runs[best["run"]].records[best["place"] - 1]
            outcome = record.outcome
            if isinstance(outcome, Success):
                best["num_parameters"] = outcome.num_parameters
                best["num_multiply_adds"] = outcome.num_multiply_adds
            best["trial"] = record.trial.id
            best["architecture"] = record.trial.architecture.to_json()


def _add_norms(comparison: Mapping[str, Any], runs: Mapping[str, LoadedRun]) -> None:
    """Says which norms the architectures of each strategy use in which stage."""
    for strategy in comparison["strategies"]:
        of_it = [runs[run["name"]] for run in strategy["runs"]]
        strategy["norms"] = norm_usage((record for run in of_it for record in run.records), of_it[0].reward)


def _configuration(runs: Sequence[LoadedRun]) -> dict[str, Any]:
    return split_common({run.name: run.settings for run in runs})


def _notes(runs: Sequence[LoadedRun], found: Sequence[str]) -> list[str]:
    notes = []
    if found:
        notes.append(f"The comparison was forced, though the runs differ in what is measured: {'; '.join(found)}.")
    for run in runs:
        wanted = run.settings.get("search.num_trials")
        if isinstance(wanted, int) and len(run.records) < wanted:
            notes.append(f"{run.name} is not finished: {len(run.records)} of {wanted} trials.")
    return notes
