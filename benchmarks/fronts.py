"""Compares the fronts of `nas benchmark --objectives` with those of NSGA-II as pymoo implements it, on one table.

Needs pymoo (``pip install "nas-engine[benchmarks]"``). NSGA-II has pymoo's defaults for whole numbers but for the
population, 20 and 40, since its 100 leaves four generations in 400 trials. Repeated cells count as trials.

Example: python -m benchmarks.fronts --table cifar10.csv --costs latency.csv --objectives accuracy,latency_pixel2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import ElementwiseProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from experiments.benchmark.objectives import metric_columns, objective_names, true_front
from experiments.benchmark.tables import TABLES
from nas.fidelity import Fidelity
from nas.fronts import hypervolume
from nas.objectives import Objectives
from nas.search import Rollout, Trial
from workers.evaluators.table import Columns


class _Cells(ElementwiseProblem):
    """The table as a problem of whole numbers; every evaluation is recorded."""

    def __init__(self, table, space, objectives):
        self.table, self.space, self.objectives, self.values = table, space, objectives, []
        highest = [choice.num_options - 1 for choice in space.choices]
        super().__init__(n_var=len(highest), n_obj=len(objectives), xl=0, xu=np.array(highest), vtype=int)

    def _evaluate(self, x, out, *_args, **_kwargs):
        decisions = tuple(int(each) for each in x)
        trial = Trial(0, Rollout(decisions, 0.0), self.space.decode(decisions), Fidelity(), 0)
        self.values.append(self.objectives(self.table(trial)))
        out["F"] = [-value for value in self.values[-1]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--costs", type=Path, required=True)
    parser.add_argument("--objectives", required=True)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    names = objective_names(options.objectives.split(","), options.costs)
    columns = TABLES["nasbench201"].read(options.table, Columns()).columns
    load = TABLES["nasbench201"].load
    table, space = load(options.table, columns, metrics=metric_columns(names), costs=options.costs)
    reference, total = true_front(table, names)
    found = {}
    for size in (20, 40):
        shares = []
        for seed in range(options.seeds):
            problem = _Cells(table, space, Objectives.of(names))
            repair = RoundingRepair()
            algorithm = NSGA2(
                pop_size=size,
                sampling=IntegerRandomSampling(),
                crossover=SBX(prob=0.9, eta=15, vtype=float, repair=repair),
                mutation=PM(eta=20, vtype=float, repair=repair),
                eliminate_duplicates=True,
            )
            minimize(problem, algorithm, ("n_eval", options.trials), seed=seed)
            shares.append(hypervolume(problem.values[: options.trials], reference) / total)
        found[f"pymoo NSGA-II, population {size}"] = shares
        print(f"{options.objectives}: NSGA-II, population {size}: {np.mean(shares):.4f} +- {np.std(shares):.4f}")
    if options.out:
        options.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
