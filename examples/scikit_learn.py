"""Searches the hyperparameters of a scikit-learn model: a space and an evaluator of your own, without images or cells.

    python examples/scikit_learn.py

A space needs `choices` and `decode`, which may return any plain data; an evaluator returns the accuracy.
"""

from __future__ import annotations

import argparse

from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import nas

IMAGES, LABELS = load_iris(return_X_y=True)


class NeighborSpace:
    """Nearest neighbours: how many, how they are weighted, and which metric."""

    weights = ("uniform", "distance")
    choices = (nas.Choice("neighbors", "neighbors", 20), nas.Choice("weights", "weights", 2), nas.Choice("p", "p", 3))

    def decode(self, decisions: tuple[int, ...]) -> dict[str, object]:
        """Returns the arguments of `KNeighborsClassifier`."""
        neighbors, weights, p = decisions
        return {"n_neighbors": neighbors + 1, "weights": self.weights[weights], "p": p + 1}


def evaluate(trial: nas.Trial) -> float:
    """Returns the accuracy of cross-validation."""
    return float(cross_val_score(KNeighborsClassifier(**trial.architecture), IMAGES, LABELS, cv=5).mean())


def main(arguments: list[str] | None = None) -> nas.Run:
    """Runs the search and returns the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--out", default="runs/scikit_learn")
    options = parser.parse_args(arguments)
    controller = nas.EvolutionSettings(population_size=10, tournament_size=3)
    run = nas.run_search(
        space=NeighborSpace, controller=controller, evaluate=evaluate, trials=options.trials, out=options.out
    )
    print(run.best.architecture, f"{run.best.accuracy:.2%}")
    return run


if __name__ == "__main__":
    main()
