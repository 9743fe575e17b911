"""`nas select`: trains the best trials of a search, and random ones as a control, in a tournament."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.config.from_images import load_images
from experiments.config.kinds import TOURNAMENT
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.training_config import TournamentConfig
from experiments.runs.printing import say, say_report
from experiments.runs.run_folder import Binding, RunFolder
from experiments.tournament.analysis import Entrant, judge, verdict
from experiments.tournament.candidates import candidate_from_json, candidate_to_json, choose_candidates
from experiments.tournament.figure import draw_tournament
from nas.data.data_set import DataSet
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json
from nas.models.reference.descriptions import Buildable
from nas.training.run import NETWORK_FILE
from workers.cluster.connection import connect
from workers.tune.tournament import Candidate, Rules, Standing, TournamentContext, evaluate_winner, run_tournament

RESULT_FILE = "tournament.json"
CANDIDATES_FILE = "entrants.json"
CANDIDATES = "candidates"
_LINE_SECONDS = 15.0


def run_select(request: ConfigRequest, out: Path, console: Console) -> dict[str, Any]:
    """Runs a tournament, or resumes the one in the folder, and returns what ``tournament.json`` holds.

    This is `experiments.tournament.analysis.TournamentResult` and ``test``, the winner's accuracies on the test images.

    Raises:
        ValueError: If the run, the configuration or the folder cannot be used.
        RuntimeError: If the folder is in use, Ray cannot be reached, or no candidate could be trained.
        OSError: If a file cannot be read.
    """
    folder = RunFolder(out)
    document = resolve(TOURNAMENT, request, folder.stored_document())
    settings = TournamentConfig.parse(document, source=request.source)
    document["tournament"]["grace_epochs"] = _rules(settings).first_rung(settings.recipe.epochs)
    candidates = choose_candidates(settings.tournament)
    data, config = load_images(TournamentConfig, document, request, console)
    say_report(console, data.report)
    with Binding(folder, config, data=data.report, accept_data=request.accept_data).hold() as notices:
        for notice in notices:
            say(console, notice)
        if folder.is_finished(TOURNAMENT):
            say(console, f"{out} is finished")
            return dict(read_json(out / RESULT_FILE))
        if (path := out / CANDIDATES_FILE).is_file():
            candidates = [candidate_from_json(value) for value in read_json(path)]  # the run may have grown
        else:
            write_text(path, json.dumps([candidate_to_json(*each) for each in candidates], indent=1) + "\n")
        return _run(candidates, config, data, out, _ProgressLines(len(candidates), console))


def print_selection(result: Mapping[str, Any], console: Console) -> None:
    """Prints the final ranking and the conclusions."""
    table = Table()
    for name in ("place", "trial", "why", "in the search", "epochs", "validation accuracy"):
        table.add_column(name, justify="left" if name == "why" else "right")
    for row in result["ranking"]:
        reached = "failed" if row["error"] else f"{row['accuracy']:.2%}"
        why = "chosen" if row["chosen"] else "random"
        table.add_row(str(row["place"]), str(row["trial"]), why, f"{row['proxy']:.4f}", str(row["epochs"]), reached)
    console.print(table)
    failures = [f"trial {row['trial']} failed: {row['error']}" for row in result["ranking"] if row["error"]]
    for line in (*result["verdict"], *failures, *result["files"]):
        say(console, line)


def _rules(config: TournamentConfig) -> Rules:
    return Rules(config.tournament.grace_epochs, config.tournament.reduction_factor)


def _run(
    described: list[tuple[Entrant, Buildable]],
    config: TournamentConfig,
    data: DataSet,
    out: Path,
    reporter: _ProgressLines,
) -> dict[str, Any]:
    worker, seed = config.workers.each(), config.training.seed
    candidates = {each.name: Candidate(each.name, architecture, seed) for each, architecture in described}
    context = TournamentContext(config.fidelity, data, out.resolve() / CANDIDATES, config.training.teacher)
    with connect(config.workers.address):
        entered = list(candidates.values())
        standings = run_tournament(entered, context, _rules(config), each=worker, on_epoch=reporter.take)
        winner = standings[0]
        if winner.error is not None:
            raise RuntimeError(f"no candidate could be trained; first error: {winner.error}")
        tested = evaluate_winner(candidates[winner.name], context, each=worker)
    entrants = [entrant for entrant, _ in described]
    judged = judge(entrants, standings, epochs=config.recipe.epochs, seed=config.tournament.seed)
    shutil.copyfile(context.folder / winner.name / NETWORK_FILE, out / NETWORK_FILE)
    figures = draw_tournament(judged, out)
    result = {
        **judged.to_json(),
        **({} if data.report is None else {"images": data.report.counts}),
        "test": tested["test"],
        "verdict": [*verdict(judged), *_describe_test(tested["test"])],
        "files": [str(out / name) for name in (RESULT_FILE, *figures, NETWORK_FILE)],
    }
    write_text(out / RESULT_FILE, json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def _describe_test(test: Mapping[str, Any] | None) -> list[str]:
    if test is None:
        return []
    best = ", ".join(f"{score['top1']:.2%} ({name})" for name, score in test.items())
    return [f"Accuracy of the winner on the test images: {best}; no other candidate was tested on them."]


class _ProgressLines:
    """Prints the progress of a tournament from time to time."""

    def __init__(self, num_candidates: int, console: Console) -> None:
        self._num_candidates = num_candidates
        self._console = console
        self._standings: dict[str, Standing] = {}
        self._printed_at = time.monotonic()

    def take(self, standing: Standing) -> None:
        """Takes the report of a candidate."""
        self._standings[standing.name] = standing
        now = time.monotonic()
        if now - self._printed_at < _LINE_SECONDS:
            return
        self._printed_at = now
        best = max(self._standings.values(), key=lambda each: each.place)
        used = sum(len(each.accuracies) for each in self._standings.values())
        say(
            self._console,
            f"{len(self._standings)} of {self._num_candidates} candidates started, {used} epochs, best: {best.name} "
            f"after {len(best.accuracies)} epochs with {best.accuracies[-1] if best.accuracies else 0:.2%}",
        )
