"""Compares norms in cells under distribution shift: does IBN-Net's claim hold (smaller drop, no in-domain loss)?

Trains one cell with each norm and several seeds on real CIFAR-10 images, then evaluates clean test images and the
paper's shifts. Run the same command to resume after an interruption; the tables include the finished runs::

    python benchmarks/normalization.py --data CIFAR10_FOLDER --out runs/normalization
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from experiments.architectures.trained import find_trained, load_test_images
from experiments.comparison.statistics import Interval, bootstrap_interval
from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.data.load import load_data
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.models.network import build_network
from nas.shifts.measure import right_answers
from nas.shifts.table import PAPER_SHIFTS, shift_split
from nas.training.loop import accuracy, train

NORMS = ("bn", "in", "ibn_a", "ibn_b", "gn")
NETWORK = NetworkSpec(num_filters=12, num_repeats=1)
RECIPE = TrainRecipe(epochs=8, batch_size=64, learning_rate=0.1, precision="float32", device="cpu")
APPEARANCE_STAGES = 2
"""Out of three stages: IBN-Net uses no instance normalization in its deepest stage."""
SEVERITY = 3
"""The paper's: 50 of 255 levels, contrast divided by 1.5."""

Shares = dict[str, float]


def architecture(norm: str) -> Architecture:
    """Returns a residual-like cell; each factored convolution has two norms, so that `ibn_a` differs from `ibn`."""
    factored = "conv_1x3_3x1"
    normal = (
        Block(Edge(1, factored), Edge(1, "identity"), norm=norm),
        Block(Edge(2, factored), Edge(2, "identity"), norm=norm),
    )
    reduction = (Block(Edge(1, factored), Edge(1, "max_pool_3x3"), norm=norm),)
    return Architecture(Cell(normal), Cell(reduction), APPEARANCE_STAGES)


def train_one(path: Path, norm: str, *, seed: int, data: DataSet) -> None:
    """Trains one network and writes it to a file; does nothing if the file exists."""
    if path.exists():
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_network(architecture(norm), NETWORK)
    started = time.perf_counter()
    train(network, data, RECIPE, seed=seed)
    share = accuracy(network, data.validation, data, RECIPE)
    save_checkpoint(path, network, data=data, accuracy=share)
    print(f"{path.stem}: validation {share:.3f} in {time.perf_counter() - started:.0f} s", flush=True)


def measure_one(path: Path, splits: dict[str, Split]) -> Shares:
    """Returns the accuracy under each shift; cached in a file next to the weights."""
    kept = path.with_suffix(f".{len(splits['clean'])}.json")
    if not kept.exists():
        checkpoint = load_checkpoint(path)
        shares = {
            name: float(right_answers(checkpoint.network, split, mean=checkpoint.mean, std=checkpoint.std).mean())
            for name, split in splits.items()
        }
        kept.write_text(json.dumps(shares), encoding="utf-8")
    loaded: Shares = json.loads(kept.read_text(encoding="utf-8"))
    return loaded


def tables(shares: dict[str, dict[int, Shares]]) -> str:
    """Returns two tables in Markdown: accuracies and drops, and their differences from `bn`, paired by seed."""
    header = ["norm", "seeds", "clean", *(f"drop under {name}" for name in PAPER_SHIFTS), "mean drop"]
    absolute, paired = [header], [header]
    for norm, by_seed in shares.items():
        columns = {seed: _columns(each) for seed, each in by_seed.items()}
        absolute.append([norm, str(len(columns)), *_intervals(list(columns.values()))])
        common = sorted(set(columns) & set(shares["bn"]))
        if norm != "bn" and common:
            less = [columns[seed] - _columns(shares["bn"][seed]) for seed in common]
            paired.append([norm, str(len(common)), *(f"{cell}" for cell in _intervals(less, sign=True))])
    return f"{_markdown(absolute)}\n\nDifference from `bn`, paired by seed, same images:\n\n{_markdown(paired)}\n"


def _columns(shares: Shares) -> np.ndarray:
    drops = [shares["clean"] - shares[name] for name in PAPER_SHIFTS]
    return np.array([shares["clean"], *drops, np.mean(drops)])


def _intervals(rows: Sequence[np.ndarray], *, sign: bool = False) -> list[str]:
    return [_show(bootstrap_interval(100 * column, seed=0), sign=sign) for column in np.stack(rows).T]


def _show(interval: Interval, *, sign: bool) -> str:
    form = "+.1f" if sign else ".1f"
    bounds = "" if np.isnan(interval.low) else f" ({interval.low:{form}} to {interval.high:{form}})"
    return f"{interval.value:{form}}{bounds}"


def _markdown(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of CIFAR-10, one folder per class")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--num-train", type=int, default=5556, help="training images, a tenth held out for validation")
    parser.add_argument("--num-test", type=int, default=2000, help="number of test images")
    parser.add_argument("--report", action="store_true", help="train nothing, report the existing networks")
    arguments = parser.parse_args()
    paths = {
        (norm, seed): arguments.out / f"{norm}-{seed}.safetensors" for seed in range(arguments.seeds) for norm in NORMS
    }
    if not arguments.report:
        data = load_data(DataSpec(name="image_folder", root=arguments.data, num_train=arguments.num_train))
        for (norm, seed), path in paths.items():
            train_one(path, norm, seed=seed, data=data)
    trained = {key: path for key, path in paths.items() if path.exists()}
    if not trained:
        raise SystemExit(f"no trained network in {arguments.out}")
    network = find_trained(str(next(iter(trained.values()))))
    clean = load_test_images([network], arguments.data, most=arguments.num_test)
    splits = {"clean": clean} | {name: shift_split(clean, name, severity=SEVERITY) for name in PAPER_SHIFTS}
    shares: dict[str, dict[int, Shares]] = {norm: {} for norm, _ in trained}
    for (norm, seed), path in trained.items():
        shares[norm][seed] = measure_one(path, splits)
    text = tables(shares)
    (arguments.out / "tables.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
