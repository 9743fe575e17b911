"""The code of docs/extending.md is written into a copy of the packages, and then works as the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
STEP = re.compile(r"<!-- (?P<how>in|as) (?P<where>.+?) -->\n```\w+\n(?P<code>.*?)```\n", re.DOTALL)

CONFIGURATION = """
search: {num_trials: 3}
network: {num_classes: 10, image_size: 8, in_channels: 1, num_filters: 4, num_repeats: 1, num_stages: 2}
recipe: {epochs: 1, batch_size: 32, flip: false, crop_padding: 1}
data: {name: arrays, root: arrays}
workers: {pool: serial}
"""

CHECKS = """
import runpy, sys
import pytest
from controllers.local_search import LocalSearch
from experiments.cli.main import main
from nas.architecture import Architecture, Block, Cell, Edge
from nas.decisions import Choice
from nas.downstream.backbone import build_backbone
from nas.fidelity import NetworkSpec
from nas.models.normalization import BatchNorm, GroupNorm
from nas.models.replace_norms import replace_norms

assert main(["search", "extended.yaml", "--out", "run", "--controller", "local_search"]) == 0
assert main(["search", "chains.yaml", "--out", "chains"]) == 0
assert main(["export", "run", "--out", "exported"]) == 0
assert main(["spaces"]) == 0
runpy.run_path("search_chains.py")

cell = Cell((Block(Edge(0, "squeeze_excite"), Edge(1, "conv_3x3"), norm="ln"),))
backbone = build_backbone(Architecture(cell, cell), NetworkSpec(num_filters=8, num_repeats=1), seed=0)
assert {module.num_groups for module in backbone.modules() if isinstance(module, GroupNorm)} == {1}
assert replace_norms(BatchNorm(8), "ln").num_groups == 1

search = LocalSearch([Choice(str(i), "op", 4) for i in range(10)], seed=0)
best = 0
for trial_id in range(200):
    (rollout,) = search.ask([trial_id])
    assert search.ask([trial_id]) == [rollout]
    best = max(best, sum(d == 3 for d in rollout.decisions))
    search.tell(rollout, sum(d == 3 for d in rollout.decisions))
# 200 uniform draws of ten decisions in four hardly ever have 8 of 10 right (p < 0.1); local search has all of them
assert best == 10

chosen = ["-k", "squeeze_excite or (every_norm and ln)", "-q", "-p", "no:cacheprovider", "-n", "0"]
assert pytest.main([*sys.argv[1:], *chosen]) == 0
"""


def follow(how, where, code, copy):
    """Carries out one step of the page; returns the configuration if that is what the step gives."""
    if how == "as" and where == "configuration":
        return code
    if how == "as":
        (copy / where).write_text(code)
        return None
    path, position, anchor = re.fullmatch(r"(\S+) (before|after): (.+)", where).groups()
    lines = (copy / path).read_text().splitlines(keepends=True)
    (place,) = [number for number, line in enumerate(lines) if line.strip().startswith(anchor)]
    lines.insert(place + (position == "after"), code + ("\n\n" if "def " in code else ""))
    (copy / path).write_text("".join(lines))
    return None


@pytest.fixture
def copy(tmp_path):
    """The packages with the additions of the page, its configuration, and a folder of arrays."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    steps = [match.groups() for match in STEP.finditer(PAGE)]
    assert len(steps) == PAGE.count("<!-- ")
    given = [follow(*step, tmp_path) for step in steps]
    (tmp_path / "extended.yaml").write_text("".join(filter(None, given)) + CONFIGURATION)
    (tmp_path / "chains.yaml").write_text("space: {name: chain}\nevaluator: {name: nearest_mean}\n" + CONFIGURATION)
    random = np.random.default_rng(0)
    (tmp_path / "arrays").mkdir()
    for name, number in (("train", 100), ("test", 40)):
        images = random.integers(0, 256, (number, 1, 8, 8), dtype=np.uint8)
        np.savez(tmp_path / "arrays" / f"{name}.npz", images=images, labels=np.arange(number) % 10)
    return tmp_path


def run(copy, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_what_the_page_adds_works(copy):
    """One process for everything, since most of its time is imports."""
    tests = [str(ROOT / "tests" / "nas" / "models" / f"test_{name}.py") for name in ("operations", "normalization")]
    output = run(copy, "-c", CHECKS, *tests)
    assert "tiny: 24 decisions" in output
    assert output.count("Success(") == 5
    assert (copy / "chains" / "ledger.jsonl").read_text().count('"status":"success"') == 3
    ledger = (copy / "run" / "ledger.jsonl").read_text()
    assert ledger.count('"status":"success"') == 3
    assert "squeeze_excite" in ledger
    assert '"ln"' in ledger
    config = (copy / "run" / "config.yaml").read_text()
    assert all(f"name: {name}" in config for name in ("local_search", "sized_accuracy", "arrays"))


def test_the_page_is_formatted_as_the_packages_are(copy):
    added = re.findall(r"<!-- as (\S+\.py) -->", PAGE)
    shutil.copy(ROOT / "pyproject.toml", copy)
    run(copy, "-m", "ruff", "check", *added)
    run(copy, "-m", "ruff", "format", "--check", *added)
