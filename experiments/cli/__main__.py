"""Runs the command line: ``python -m experiments.cli``."""

import sys

from experiments.cli.main import main

sys.exit(main())
