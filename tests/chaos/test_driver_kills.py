"""Runs a short version of the script of the same name."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("driver_kills.py")


def test_a_driver_that_is_killed_goes_on_where_it_was():
    options = ["--pool", "serial", "--controller", "evolution", "--trials", "40", "--kills", "3"]
    done = subprocess.run([sys.executable, SCRIPT, *options], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the sequence of architectures is that of an uninterrupted run" in done.stdout
    assert "40 trials finished after 3 kills, none twice, none lost" in done.stdout
