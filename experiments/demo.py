"""`make demo`: runs PPO and random search on the embedded digits with Ray, compares them, and exports the best cell.

Running it again resumes, and keeps what is finished.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from safetensors.numpy import save_file

from experiments.architectures.export import export_architecture
from experiments.architectures.find import ArchitectureSource, find_architecture
from experiments.cli.output import report_errors
from experiments.comparison.run import compare_runs, print_comparison
from experiments.config.resolve import ConfigRequest
from experiments.runs.live_display import describe_seconds
from experiments.runs.printing import say
from experiments.search.run import run_search
from experiments.watch.report import write_report
from nas.data.load import load_data

ROOT = Path("runs/demo")
STRATEGIES = {"ppo": "digits_ppo", "random": "digits_random"}
"""Configuration of each run, by the name of its folder."""
SHORTER = ("search.num_trials=24", "recipe.epochs=4")
"""Changes to the configurations, with which the demo ends in five minutes on two slow cores."""
REPORT = "report.html"

CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
import model, torch
from safetensors.torch import load_file
split = load_file(sys.argv[2])
network = model.load()
with torch.no_grad():
    answers = network(model.normalize(split["images"].float() / 255)).argmax(dim=1)
ours = {"nas", "search_spaces", "controllers", "workers", "experiments", "ray"} & set(sys.modules)
assert not ours, ours
print((answers == split["labels"]).double().mean().item())
"""
"""Code of a user who has only torch, safetensors and the exported folder."""


def run_demo(root: Path, console: Console, *, settings: Sequence[str] = ()) -> int:
    """Searches with both strategies, compares them, exports the best cell and checks it.

    Args:
        root: The folder for all results; created if missing.
        console: Where progress is shown.
        settings: Changes to both configurations, as for ``nas search --set``.

    Returns:
        The exit code: 0, or 130 after Ctrl-C.
    """
    started = time.monotonic()
    runs = [root / name for name in STRATEGIES]
    for config, run in zip(STRATEGIES.values(), runs, strict=True):
        request = ConfigRequest(config, settings=(*SHORTER, *settings))
        if code := run_search(request, run, console):
            return code
    print_comparison(compare_runs(runs, root / "comparison"), console)
    write_report(runs, root / REPORT)
    best = max((find_architecture(str(run)) for run in runs), key=_accuracy)
    export_architecture(best, root / "best")
    accuracy = check_export(best, root / "best")
    _print_summary(root, best, accuracy, console)
    say(console, f"total time: {describe_seconds(time.monotonic() - started)}")
    say(console, f"all trials of both searches, to open in a browser: {(root / REPORT).resolve().as_uri()}")
    return 0


def check_export(source: ArchitectureSource, folder: Path) -> float:
    """Evaluates the export of a trial in a Python process that imports none of our packages.

    Returns:
        The accuracy on the validation split.

    Raises:
        RuntimeError: If it differs from the accuracy of the search.
    """
    if source.fidelity is None or source.outcome is None:
        raise ValueError(f"{source.name} must be a trial of a run to be checked")
    validation = load_data(source.fidelity.data).validation
    with tempfile.TemporaryDirectory() as temporary:
        images = Path(temporary) / "validation.safetensors"
        save_file({"images": validation.images, "labels": validation.labels}, images)
        command = [sys.executable, "-I", "-c", CHECK, str(folder.resolve()), str(images)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    if done.returncode:
        raise RuntimeError(f"{folder} cannot be used without this project: {done.stderr.strip()[-400:]}")
    accuracy = float(done.stdout)
    if abs(accuracy - source.outcome.accuracy) > 1e-9:
        raise RuntimeError(f"{folder} must reproduce the accuracy {source.outcome.accuracy:.4%}, got {accuracy:.4%}")
    return accuracy


def _accuracy(source: ArchitectureSource) -> float:
    return 0.0 if source.outcome is None else source.outcome.accuracy


def _print_summary(root: Path, best: ArchitectureSource, accuracy: float, console: Console) -> None:
    rows = [
        ("curves of both", root / "comparison" / "curves.png"),
        ("comparison", root / "comparison" / "report.html"),
        ("best cell", root / "best" / "cells.svg"),
        ("its PyTorch code", root / "best" / "model.py"),
    ]
    lines = [f"  {what:<19} {path}" for what, path in rows]
    lines.append(
        f"best: {best.name} with {accuracy:.2%} validation accuracy; model.py with its weights reproduces it in a "
        "Python process that imports none of this project"
    )
    lines.append("next steps, with `nas` from .venv/bin:")
    lines += [
        f"  nas status {root / 'ppo'}",
        f"  nas draw {root / 'ppo'}@2 --out second_best.svg",
        "  nas search digits_ppo --trials 200 --out runs/longer",
        "  nas search cifar10_smoke --data FOLDER    (FOLDER/train/<class>/<image>)",
    ]
    for line in lines:
        say(console, line)


def main() -> int:
    """Runs the demo into ``runs/demo``; returns the exit code."""
    return report_errors(lambda: run_demo(ROOT, Console()))


if __name__ == "__main__":
    sys.exit(main())
