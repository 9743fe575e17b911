"""Rank correlation of accuracies under shared weights with those of NAS-Bench-201, against what costs no more.

Run: ``nice python benchmarks/shared_weights.py --data DIR --table cifar10.csv --out shared``. DIR is a folder of
images, ``train/<class>/`` and ``test/<class>/``. Weights are shared by random architectures, trained until each of
``--minutes`` of CPU time; then the same drawn architectures are scored with them, at the end ``--more`` of them, and
with ``--own-steps`` also after steps of their own that are not given back. References on these architectures:
parameters, the scores in the output of ``benchmarks/zero_cost.py`` (``--scores``, the same draw), and with ``--alone``
trainings of their own that take the CPU time of the sharing in all. Every score is a line of a file, and the same
command resumes; ``--report`` only prints. One thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import kendalltau, rankdata
from torch import nn

from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec, NetworkSpec
from nas.models.build import AnyNetwork
from nas.models.edge_network import EDGE_OPERATIONS, EdgeCellLayers, EdgeNetwork
from nas.models.normalization import NormSettings
from nas.recipe import TrainRecipe
from nas.sharing.store import Loan, Receipt, WeightStore
from nas.sharing.training import SharedPlan, borrow, train_borrowed, validate_borrowed
from nas.training.augmentation import ImageSource
from nas.training.initial import build_initial
from nas.training.loop import start_training
from workers.evaluators.table import Table, read_table

NUM_EDGES = 6
COMBINED = ("parameters", "naswot", "synflow", "jacobian_covariance")


class TimeOverError(Exception):
    """Raised to end a training within an epoch."""


class Lender:
    """Lends the tensors of a store and takes nothing back."""

    def __init__(self, store: WeightStore) -> None:
        self._store = store

    def lend(self, keys: Sequence[str]) -> Loan:
        """See `WeightStore.lend`."""
        return self._store.lend(keys)

    def take_back(self, changes: Mapping[str, torch.Tensor], versions: Mapping[str, int]) -> Receipt:  # noqa: ARG002
        """Keeps nothing."""
        return Receipt(0, len(changes), 0, len(self._store), self._store.num_bytes)

    def save(self) -> None:
        """Has nothing to store."""


class Lines:
    """A file of JSON lines, by architecture and by what was measured."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.values: dict[tuple[str, str], float] = {}
        for line in map(json.loads, lines):
            self.values[line["what"], line["arch"]] = line["value"]

    def add(self, what: str, arch: str, value: float) -> None:
        """Adds a line."""
        with self._path.open("a") as file:
            file.write(json.dumps({"what": what, "arch": arch, "value": value}) + "\n")
        self.values[what, arch] = value

    def column(self, what: str, names: Sequence[str]) -> list[float] | None:
        """The values of all architectures; None if one is missing."""
        found = [self.values.get((what, name)) for name in names]
        return None if None in found else [value for value in found if value is not None]


def sampled(number: int, *, fair: bool, drop: float = 0.0, seed: int) -> EdgeCell:
    """The architecture of a trial; with `fair`, five trials in a row have each operation once on each edge.

    Each edge is then left out with the probability `drop`.
    """
    ops, random = list(EDGE_OPERATIONS), np.random.default_rng((seed, number))
    chosen = random.choice(ops, NUM_EDGES).tolist()
    if fair:
        group, place = divmod(number, len(ops))
        orders = np.random.default_rng((seed, group))
        chosen = [ops[orders.permutation(len(ops))[place]] for _ in range(NUM_EDGES)]
    return EdgeCell(tuple("none" if random.random() < drop else op for op in chosen))


def validation_loss(network: AnyNetwork, data: DataSet, recipe: TrainRecipe) -> float:
    """Mean cross-entropy on the validation images, in the order and with the norms of `validate_borrowed`."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(data.validation)))
    source = ImageSource(data.validation, data, device=torch.device("cpu"), channels_last=recipe.channels_last)
    network.eval()
    with torch.inference_mode():
        losses = [
            F.cross_entropy(network(source.batch(part)), source.labels[part], reduction="sum").item()
            for part in order.split(recipe.batch_size)
        ]
    return sum(losses) / len(order)


def share(
    options: argparse.Namespace, data: DataSet, spec: NetworkSpec, out: Path
) -> Iterator[tuple[float, WeightStore]]:
    """Trains shared weights, or resumes that, and yields the store at each number of CPU minutes."""
    state = out / "sharing.json"
    stored = json.loads(state.read_text()) if state.exists() else {"number": 0, "seconds": 0.0}
    number, before = stored["number"], stored["seconds"]
    store = WeightStore(out / "shared.safetensors", spec, checkpoint_trials=10**9)
    started = time.process_time()
    for minutes in options.minutes:
        while (spent := before + time.process_time() - started) < 60 * minutes:
            rate = options.learning_rate
            if options.cosine:
                rate *= (1 + math.cos(math.pi * spent / (60 * max(options.minutes)))) / 2
            recipe = replace(options.recipe, learning_rate=rate)
            network = build_initial(
                sampled(number, fair=options.fair, drop=options.drop, seed=1), spec, recipe, seed=number
            )
            train_borrowed(network, data, SharedPlan(recipe, options.steps, number, number), store)
            number += 1
            if number % 50 == 0:
                store.save()
                state.write_text(json.dumps({"number": number, "seconds": spent}))
        store.save()
        state.write_text(json.dumps({"number": number, "seconds": spent}))
        pause = time.process_time()
        yield minutes, store
        started += time.process_time() - pause  # the time of the scores does not count


def score_shared(
    options: argparse.Namespace, data: DataSet, spec: NetworkSpec, names: Sequence[str], lines: Lines
) -> None:
    """Scores architectures with the shared weights, at each number of CPU minutes; at the end, all of them."""
    for minutes, store in share(options, data, spec, options.out):
        last = minutes == max(options.minutes)
        for place, name in enumerate(names):
            if place < options.number or last:
                _score(f"shared {minutes:g} min", name, 0, (options, data, spec, store, lines))
        for name in names[: options.number] if last and options.own_steps else ():
            what = f"shared {minutes:g} min, {options.own_steps} own steps"
            _score(what, name, options.own_steps, (options, data, spec, store, lines))


def _score(
    what: str, name: str, steps: int, place: tuple[argparse.Namespace, DataSet, NetworkSpec, WeightStore, Lines]
) -> None:
    options, data, spec, store, lines = place
    if (what, name) in lines.values:
        return
    network = build_initial(EdgeCell.from_arch(name), spec, options.recipe, seed=0)
    borrow(network, store)
    if steps:
        recipe = replace(options.recipe, learning_rate=options.own_learning_rate)
        train_borrowed(network, data, SharedPlan(recipe, steps, 0, 0), Lender(store))
    lines.add(what, name, validate_borrowed(network, data, options.recipe))
    lines.add(f"{what}, loss", name, -validation_loss(network, data, options.recipe))


class Supernet(EdgeNetwork):
    """A network with all operations on all edges, of which it computes those of one cell at a time."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(EdgeCell(("none",) * NUM_EDGES), spec)
        self._cells = [module for module in self.modules() if isinstance(module, EdgeCellLayers)]
        self.operations = nn.ModuleList()
        norms = NormSettings(spec.norm_epsilon, spec.norm_momentum)
        for number in range(len(self._cells)):
            width = spec.num_filters << number // spec.num_repeats
            built = {op: [build(width, norms) for _ in range(NUM_EDGES)] for op, build in EDGE_OPERATIONS.items()}
            self.operations.append(nn.ModuleDict({op: nn.ModuleList(edges) for op, edges in built.items() if edges[0]}))

    def choose(self, cell: EdgeCell) -> None:
        """Sets the cell that is computed."""
        for layers, operations in zip(self._cells, self.operations, strict=True):
            numbers = itertools.count()
            layers.nodes = nn.ModuleList()
            for node in cell.nodes:
                edges = [(str(source), op, next(numbers)) for source, op in enumerate(node)]
                chosen = {source: operations[op][number] for source, op, number in edges if op in operations}
                layers.nodes.append(nn.ModuleDict(chosen))


def score_supernet(
    options: argparse.Namespace, data: DataSet, spec: NetworkSpec, names: Sequence[str], lines: Lines
) -> None:
    """Trains a network with all operations for some epochs, with a rate that falls to 0, and scores architectures."""
    what = f"supernet, {options.supernet} epochs"
    if lines.column(what, names) is not None:
        return
    recipe = replace(options.recipe, epochs=options.supernet, schedule="cosine")
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(1)
        network = Supernet(spec)
    started, numbers = time.process_time(), itertools.count(1)
    network.choose(sampled(0, fair=options.fair, seed=1))
    with start_training(network, data, recipe, seed=1) as training:
        while training.num_epochs < recipe.epochs:
            training.run_epoch(lambda _step: network.choose(sampled(next(numbers), fair=options.fair, seed=1)))
    print(f"{what}: {training.num_steps} steps in {time.process_time() - started:.0f} CPU seconds")
    for name in names:
        network.choose(EdgeCell.from_arch(name))
        lines.add(what, name, validate_borrowed(network, data, recipe))
        lines.add(f"{what}, loss", name, -validation_loss(network, data, recipe))


def score_alone(
    options: argparse.Namespace, data: DataSet, spec: NetworkSpec, names: Sequence[str], lines: Lines
) -> None:
    """Trains each architecture by itself, for its share of the CPU time of the sharing."""
    seconds = 60 * max(options.minutes) / len(names)
    for name in names:
        if ("alone", name) in lines.values:
            continue
        network = build_initial(EdgeCell.from_arch(name), spec, options.recipe, seed=0)
        until = time.process_time() + seconds

        def stop(_step: int, until: float = until) -> None:
            if time.process_time() > until:
                raise TimeOverError

        with start_training(network, data, options.recipe, seed=0) as training, suppress(TimeOverError):
            while training.num_epochs < options.recipe.epochs:
                training.run_epoch(stop)
        lines.add("alone", name, validate_borrowed(network, data, options.recipe))


def read_scores(path: Path | None) -> dict[str, dict[str, float]]:
    """Scores without training by architecture, as `benchmarks/zero_cost.py` stores them; -inf for none."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path else []
    return {
        line["arch"]: {name: -math.inf if score is None else score for name, score in line["scores"].items()}
        for line in lines
    }


def report(names: Sequence[str], lines: Lines, table: Table, scores: dict[str, dict[str, float]]) -> None:
    """Prints Kendall's tau of each column, and of sums of ranks, with the test accuracy after 200 epochs."""
    tests = [table.rows[name].test for name in names]
    columns: dict[str, Any] = {"parameters": rankdata([table.rows[name].num_parameters for name in names])}
    if all(name in scores for name in names):
        columns |= {what: rankdata([scores[name][what] for name in names]) for what in scores[names[0]]}
    for what in dict.fromkeys(what for what, _ in lines.values):
        if (column := lines.column(what, names)) is not None:
            columns[what] = rankdata(column)
    added = [name for name in COMBINED if name in columns]
    for what in [None, *(what for what in columns if what.startswith("shared"))]:
        for number in range(1 if what else 2, len(added) + 1):
            for parts in combinations(added, number):
                summed = (what, *parts) if what else parts
                columns[" + ".join(summed)] = sum(columns[part] for part in summed)
    print(f"{len(names)} architectures")
    for what, ranks in columns.items():
        best = sorted(range(len(names)), key=lambda place: -ranks[place])[:5]
        found = ", ".join(f"{tests[place]:.2%}" for place in best)
        print(f"{what:80} tau {kendalltau(ranks, tests).statistic:6.3f}  test accuracy of its best five: {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, nargs="*", default=[5.0, 20.0, 60.0])
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the draw of the architectures")
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--images", type=int, default=12_500, help="of training and validation, a fifth for the latter")
    parser.add_argument("--crop-padding", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--fair", action="store_true", help="each operation on each edge equally often")
    parser.add_argument("--drop", type=float, default=0.0, help="probability that an edge of a trial is left out")
    parser.add_argument("--cosine", action="store_true", help="lower the learning rate to 0 at the end")
    parser.add_argument("--more", type=int, default=1000, help="architectures that are scored with the final weights")
    parser.add_argument("--own-steps", type=int, default=0)
    parser.add_argument("--own-learning-rate", type=float, default=0.02)
    parser.add_argument("--scores", type=Path, help="the output of benchmarks/zero_cost.py")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--supernet", type=int, default=0, metavar="EPOCHS")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.alone and not options.minutes:
        parser.error("--alone needs --minutes: its trainings share the longest of these times")
    options.out.mkdir(parents=True, exist_ok=True)
    options.recipe = TrainRecipe(
        epochs=1000,
        batch_size=64,
        learning_rate=options.learning_rate,
        crop_padding=options.crop_padding,
        schedule="constant",
    )
    table, lines = read_table(options.table), Lines(options.out / "scores.jsonl")
    every = sorted(table.rows)
    order = np.random.default_rng(options.seed).permutation(len(every))
    names = [every[place] for place in order[: max(options.number, options.more)]]
    if not options.report:
        torch.set_num_threads(1)
        spec = NetworkSpec(image_size=options.image_size, num_filters=options.filters, num_repeats=1, num_stages=3)
        where = DataSpec(
            "image_folder",
            str(options.data),
            image_size=options.image_size,
            num_train=options.images,
            validation_fraction=0.2,
        )
        data = load_data(where)
        if options.minutes:
            score_shared(options, data, spec, names, lines)
        if options.supernet:
            score_supernet(options, data, spec, names[: options.number], lines)
        if options.alone:
            score_alone(options, data, spec, names[: options.number], lines)
    scores = read_scores(options.scores)
    report(names[: options.number], lines, table, scores)
    if len(names) > options.number:
        report(names, lines, table, scores)


if __name__ == "__main__":
    main()
