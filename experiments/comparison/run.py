"""`nas compare`: compares runs, grouped by controller, and writes figures, a report and all numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.curve_panels import draw_curves
from experiments.comparison.difference_panels import draw_differences
from experiments.comparison.figure_style import save
from experiments.comparison.formatting import MEASURES, duration, interval_text, label
from experiments.comparison.loading import LoadedRun, data_objections, group_runs, load_run, objections, split_common
from experiments.comparison.norm_usage import norm_usage
from experiments.comparison.report import report_page
from experiments.comparison.results import BestArchitecture, Comparison, StrategySummary
from experiments.comparison.tables import terminal_table
from experiments.comparison.target_parts import TARGET_HEADER, target_rows, target_text
from experiments.runs.printing import say
from nas.files.atomic_write import write_text
from nas.files.storage import make_folder
from nas.trial import Success

MAX_SHOWN = 8
"""Up to this number of objections are shown when a comparison is refused."""


def compare_runs(
    runs: Sequence[Path],
    out: Path,
    *,
    force: bool = False,
    accept_data: bool = False,
    pool_workers: bool = False,
    target: float | None = None,
) -> Comparison:
    """Compares run folders and writes figures, ``comparison.json`` and ``report.html`` to a folder, made if missing.

    See `analyze_runs` for the arguments and errors.
    """
    comparison = analyze_runs(runs, force=force, accept_data=accept_data, pool_workers=pool_workers, target=target)
    return replace(comparison, files=tuple(write_comparison(comparison, out)))


def analyze_runs(
    runs: Sequence[Path],
    *,
    force: bool = False,
    accept_data: bool = False,
    pool_workers: bool = False,
    target: float | None = None,
) -> Comparison:
    """Compares run folders without writing anything.

    Runs of one controller and wrapper with the same settings and number of workers are seeds of one strategy. With
    `pool_workers` they may differ in the number of workers. With `force`, runs are compared even if they differ in
    space, fidelity, data or budget, or repeat a seed; with `accept_data`, even if their images differ. The results then
    note it. `target` is the validation accuracy of the curves of trials to a target, 0..1; None takes the best known.

    Raises:
        ValueError: if a folder holds no run, is given twice, or the runs are not comparable.
    """
    if not runs:
        raise ValueError("there must be at least one run to compare")
    paths = [path.resolve() for path in runs]
    if twice := {str(path) for path, full in zip(runs, paths, strict=True) if paths.count(full) > 1}:
        raise ValueError(f"each run must be given once, got {' and '.join(sorted(twice))} more than once")
    if target is not None and not 0 < target <= 1:
        raise ValueError(f"the target must be a validation accuracy above 0 and at most 1, such as 0.94, got {target}")
    loaded = [replace(load_run(path), pool_workers=pool_workers) for path in runs]
    settings, images = objections(loaded), data_objections(loaded)
    if settings and not force:
        _refuse([*settings, *images], "--force")
    if images and not (force or accept_data):
        _refuse(images, "--accept-data")
    found = [*settings, *images]
    by_name = {run.name: run for run in loaded}
    comparison = compare_strategies(group_runs(loaded), target=target).with_best(lambda best: _described(best, by_name))
    return replace(
        comparison,
        strategies=tuple(_with_norms(each, by_name) for each in comparison.strategies),
        objections=tuple(found),
        configuration=split_common({run.name: run.settings for run in loaded}),
        environment=split_common({run.name: run.environment for run in loaded}),
        notes=(*_notes(loaded, found), *comparison.notes),
    )


def _refuse(found: Sequence[str], option: str) -> NoReturn:
    more = f"; and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
    raise ValueError(f"the runs are not comparable ({option} to compare): {'; '.join(found[:MAX_SHOWN])}{more}")


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Prints a table of the strategies, the verdict, the notes and the files."""
    header = ("strategy", "runs", f"{MEASURES[comparison.measure]}, %", "trials", "distinct", "failed", "worker time")
    rows = [
        (
            label(each.name),
            each.num_runs,
            interval_text(each.final),
            each.trials.total,
            each.trials.distinct,
            sum(each.trials.failed.values()),
            duration(each.cost.worker_seconds),
        )
        for each in comparison.strategies
    ]
    console.print(terminal_table(header, rows))
    if comparison.targets is not None:
        say(console, f"target: {target_text(comparison.targets)}")
        console.print(terminal_table(TARGET_HEADER, target_rows(comparison.targets)))
    for sentence in (*comparison.verdict, *comparison.notes, *(comparison.files or ())):
        say(console, sentence)


def write_comparison(comparison: Comparison, out: Path) -> list[str]:
    """Writes ``comparison.json``, figures and ``report.html`` to a folder, made if missing, and returns the paths."""
    make_folder(out)
    data, report = out / "comparison.json", out / "report.html"
    write_text(data, json.dumps(comparison.to_json(), allow_nan=False) + "\n")
    written = [data, *save(draw_curves(comparison), out / "curves.png", out / "curves.svg")]
    if comparison.tests:
        written += save(draw_differences(comparison), out / "differences.png", out / "differences.svg")
    write_text(report, report_page(comparison))
    return [str(path) for path in (*written, report)]


def _described(best: BestArchitecture, runs: Mapping[str, LoadedRun]) -> BestArchitecture:
    """One of the best architectures with its description and cost."""
    trial, outcome = (record := runs[best.run].records[best.place - 1]).trial, record.outcome
    best = replace(best, trial=trial.id, architecture=trial.architecture.to_json())
    if isinstance(outcome, Success):
        return replace(best, num_parameters=outcome.num_parameters, num_multiply_adds=outcome.num_multiply_adds)
    return best


def _with_norms(strategy: StrategySummary, runs: Mapping[str, LoadedRun]) -> StrategySummary:
    records = [record for run in strategy.runs for record in runs[run.name].records]
    return replace(strategy, norms=norm_usage(records, runs[strategy.runs[0].name].reward))


def _notes(runs: Sequence[LoadedRun], found: Sequence[str]) -> list[str]:
    notes = []
    if found:
        notes.append(f"The comparison was forced although the runs are not comparable: {'; '.join(found)}.")
    if unknown := [run.name for run in runs if run.data is None and len(runs) > 1]:
        notes.append(f"The images of {' and '.join(unknown)} were not recorded and could not be compared.")
    for run in runs:
        wanted = run.settings.get("search.num_trials")
        if isinstance(wanted, int) and len(run.records) < wanted:
            notes.append(f"{run.name} is not finished: {len(run.records)} of {wanted} trials.")
    return notes
