"""What docs/extending.md says to write is written into a copy of the packages, and then works as it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")
STEP = re.compile(r"<!-- (?P<how>in|as) (?P<where>.+?) -->\n```\w+\n(?P<code>.*?)```\n", re.DOTALL)

RUN = """
import sys
from experiments.cli.main import main
configuration, out, controller = sys.argv[1:]
sys.exit(main(["search", configuration, "--out", out, "--controller", controller, "--trials", "3"]))
"""

CONFIGURATION = """
search: {num_trials: 3}
network: {num_classes: 10, image_size: 8, in_channels: 1, num_filters: 4, num_repeats: 1, num_stages: 2}
recipe: {epochs: 1, batch_size: 32, flip: false, crop_padding: 1}
data: {name: digits, num_train: 100}
workers: {pool: serial}
"""


def follow(how, where, code, copy):
    """Does one step of the page; returns the configuration if that is what the step gives."""
    if how == "as" and where == "configuration":
        return code
    if how == "as":
        (copy / where).write_text(code)
        return None
    path, position, anchor = re.fullmatch(r"(\S+) (before|after): (.+)", where).groups()
    lines = (copy / path).read_text().splitlines(keepends=True)
    (place,) = [number for number, line in enumerate(lines) if line.strip().startswith(anchor)]
    lines.insert(place + (position == "after"), code + ("\n\n" if "class " in code else ""))
    (copy / path).write_text("".join(lines))
    return None


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The packages with the page's additions, and the page's configuration beside them."""
    copy = tmp_path_factory.mktemp("extended")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    steps = [match.groups() for match in STEP.finditer((ROOT / "docs" / "extending.md").read_text())]
    assert len(steps) == 6
    given = [follow(*step, copy) for step in steps]
    (copy / "extended.yaml").write_text("".join(filter(None, given)) + CONFIGURATION)
    return copy


def run(copy, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("controller", ["local_search", "random"])
def test_new_operation_and_new_controller_search(copy, controller):
    done = run(copy, "-c", RUN, "extended.yaml", f"run-{controller}", controller)
    assert done.returncode == 0, done.stderr
    ledger = (copy / f"run-{controller}" / "ledger.jsonl").read_text()
    assert ledger.count('"status":"success"') == 3
    assert "squeeze_excite" in ledger
    assert f"name: {controller}" in (copy / f"run-{controller}" / "config.yaml").read_text()


def test_new_operation_passes_the_contract_of_operations(copy):
    tests = ROOT / "tests" / "nas" / "models" / "test_operations.py"
    done = run(copy, "-m", "pytest", str(tests), "-q", "-k", "squeeze_excite", "-p", "no:cacheprovider", "-n", "0")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_new_controller_learns(copy):
    code = (
        "from controllers.local_search import LocalSearch\n"
        "from nas.decisions import Choice\n"
        "search = LocalSearch([Choice(str(i), 'op', 4) for i in range(10)], seed=0)\n"
        "best = 0\n"
        "for trial_id in range(200):\n"
        "    (rollout,) = search.ask([trial_id])\n"
        "    assert search.ask([trial_id]) == [rollout]\n"
        "    best = max(best, sum(d == 3 for d in rollout.decisions))\n"
        "    search.tell(rollout, sum(d == 3 for d in rollout.decisions))\n"
        "print(best)\n"
    )
    # 200 uniform draws of ten decisions in four hardly ever have 8 of 10 right (p < 0.1); local search has all of them.
    done = run(copy, "-c", code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 10
