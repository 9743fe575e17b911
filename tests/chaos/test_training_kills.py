"""Runs a short version of the script of the same name."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("training_kills.py")


def test_a_training_that_is_killed_ends_with_the_same_weights():
    words = [sys.executable, SCRIPT, "--epochs", "3"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bit-identical weights after 6 kills" in done.stdout
