"""The shape of the tree: mirrored tests, short modules, no grab bags, no import with side effects on Ray or torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")
MODULES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if not path.stem.startswith("__")
)
GRAB_BAGS = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_has_a_test_module(module):
    mirror = ROOT / "tests" / module.with_name(f"test_{module.name}")
    assert mirror.exists(), f"{module} must be tested by {mirror.relative_to(ROOT)}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_is_short_and_named_for_what_it_holds(module):
    assert len((ROOT / module).read_text().splitlines()) <= 300
    assert module.stem not in GRAB_BAGS


def test_plain_data_and_loop_import_no_heavy_library():
    code = (
        "import sys, nas.search, nas.ledger.writer, nas.rewards, search_spaces.nasnet, search_spaces.published\n"
        "print(sorted({'torch', 'torchvision', 'ray', 'matplotlib', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
