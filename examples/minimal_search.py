"""Searches for cells on handwritten digits, and exports the best network: the shortest way.

    python examples/minimal_search.py

Run it again after an interruption to resume. The default sizes take a few minutes on two cores.
"""

from __future__ import annotations

import argparse

import nas


def main(arguments: list[str] | None = None) -> nas.Run:
    """Runs the search and returns the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5, help="epochs of a trial")
    parser.add_argument("--out", default="runs/minimal")
    options = parser.parse_args(arguments)
    run = nas.run_search(
        "digits_ppo", trials=options.trials, recipe={"epochs": options.epochs}, pool="serial", out=options.out
    )
    print(run.best.architecture, f"{run.best.accuracy:.2%}")
    print(*run.export(), sep="\n")
    return run


if __name__ == "__main__":
    main()
