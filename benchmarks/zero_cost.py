"""Rank correlation of scores that need no training with the accuracies of NAS-Bench-201.

Run: ``nice python benchmarks/zero_cost.py --data DIR --table cifar10.csv --out zero_cost.jsonl``. DIR is a folder of
images, ``train/<class>/`` and ``test/<class>/``. Each architecture adds a line to the output, and the same command
resumes; ``--report`` only prints the correlations of what is there. One thread.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, rankdata, spearmanr

from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec
from nas.models.presets import PRESETS
from nas.scores.table import SCORES, UnscorableError, score_network
from nas.training.augmentation import ImageSource
from workers.evaluators.table import Table, read_table


def draw(table: Table, number: int, seed: int) -> list[str]:
    """Draws architectures of the table without repetition, in random order."""
    names = sorted(table.rows)
    return [names[index] for index in np.random.default_rng(seed).permutation(len(names))[:number]]


def first_batch(data: DataSet, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first images of the training split, normalized, with their labels."""
    source = ImageSource(data.train, data, device=torch.device("cpu"))
    indices = torch.arange(number)
    return source.batch(indices), source.labels[indices]


def score(name: str, options: argparse.Namespace, images: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    """All scores of one architecture, with the CPU seconds of each; null where it has none."""
    spec = replace(PRESETS["nasbench201"], image_size=images.shape[2])
    scores: dict[str, float | None] = {}
    seconds = {}
    for each in SCORES:
        start = time.process_time()
        try:
            cell = EdgeCell.from_arch(name)
            scores |= score_network(cell, spec, [each], images=images, labels=labels, seed=options.seed)
        except UnscorableError:
            scores[each] = None
        seconds[each] = time.process_time() - start
    return {"arch": name, "scores": scores, "seconds": seconds}


def report(lines: Sequence[dict[str, Any]], table: Table) -> None:
    """Prints correlations with the test accuracy after 200 epochs; what has no score is ranked last."""
    rows = [table.rows[line["arch"]] for line in lines]
    accuracies = [row.test for row in rows]
    print(f"{len(lines)} architectures")
    columns = {}
    for name in SCORES:
        values = [-math.inf if line["scores"][name] is None else line["scores"][name] for line in lines]
        columns[name] = rankdata(values)
        _print_row(name, columns[name], accuracies, sum(line["seconds"][name] for line in lines) / len(lines))
    sizes = {name: rankdata([getattr(row, name) for row in rows]) for name in ("num_parameters", "num_multiply_adds")}
    for name, ranks in sizes.items():
        _print_row(name, ranks, accuracies, 0.0)
    columns |= sizes
    for number in (2, 3, 4):
        for names in combinations(columns, number):
            _print_row(" + ".join(names), sum(columns[name] for name in names), accuracies, 0.0)


def _print_row(name: str, ranks: Any, accuracies: Sequence[float], seconds: float) -> None:  # noqa: ANN401
    spearman, kendall = spearmanr(ranks, accuracies).statistic, kendalltau(ranks, accuracies).statistic
    best = max(range(len(accuracies)), key=lambda index: ranks[index])
    print(f"{name:60} rho {spearman:6.3f}  tau {kendall:6.3f}  {seconds:7.3f} s  best by it {accuracies[best]:.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    table = read_table(options.table)
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    if not options.report:
        torch.set_num_threads(1)
        spec = DataSpec("image_folder", str(options.data), image_size=options.image_size, num_train=1000)
        images, labels = first_batch(load_data(spec), options.batch)
        done = {line["arch"] for line in lines}
        with options.out.open("a") as file:
            for name in draw(table, options.number, options.seed):
                if name not in done:
                    lines.append(score(name, options, images, labels))
                    file.write(json.dumps(lines[-1]) + "\n")
                    file.flush()
    report(lines, table)


if __name__ == "__main__":
    main()
