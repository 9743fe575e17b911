"""Runs a short version of the script of the same name."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("cheap_search_kills.py")


@pytest.mark.parametrize("kind", ["rungs", "shared"])
def test_a_cheap_search_that_is_killed_goes_on_where_it_was(kind):
    options = ["--kinds", kind, "--trials", "8", "--kills", "1"]
    done = subprocess.run([sys.executable, SCRIPT, *options], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kind}: 8 trials finished after 1 kills, none twice, none lost" in done.stdout
