"""Searches whose children are trained for real: strategies at equal epochs, and the cells that they find retrained.

Run: ``nice python benchmarks/real_children.py --out real --minutes 60`` (resumes). Children are networks of NASNet's
cells on handwritten digits, a few CPU seconds each. For every seed, each strategy spends the same number of epochs in
all, on whole children, on children that rungs stop, or on weights that all trials share. The cell that it hands over,
the best by validation accuracy, is then trained from scratch with three new seeds and tested, as a child and as a
larger network. What is done is a line of ``runs.jsonl`` in the folder, and ``--report`` only prints what is there and
draws ``curves.png``. One thread; processes that share the folder need ``--seeds`` of their own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console

from experiments.comparison.statistics import TAILS, Interval, bootstrap_interval, difference
from experiments.config.kinds import SEARCH
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig
from experiments.search.run import INTERRUPTED, run_search
from nas.architecture import Architecture
from nas.data.data_set import DataSet, Split
from nas.data.load import load_data
from nas.fidelity import Fidelity
from nas.ledger.reader import read_ledger
from nas.records import Record
from nas.training.initial import build_initial
from nas.training.loop import accuracy, train
from nas.trial import Success

EPOCHS, NUM_TRIALS, NUM_RETRAINED, NUM_CANDIDATES = 3, 100, 3, 10
CHILD = (
    "network.num_filters=4",
    "recipe.batch_size=128",
    f"recipe.epochs={EPOCHS}",
    "workers.pool=serial",
    "workers.time_limit_seconds=null",
    "workers.keep_weights=0",
)
FULL = f"search.num_trials={NUM_TRIALS}"
RUNGS = ("search.num_trials=190", "search.rungs={epochs: [1], eta: 3}")
SCORES = ("search.num_trials=420", "search.rungs={scores: [synflow, jacobian_covariance], epochs: [0], eta: 4}")
SHARED = (  # passes over the images that the whole children take, less those of the candidates
    f"recipe.epochs={EPOCHS * (NUM_TRIALS - NUM_CANDIDATES)}",
    "search.num_trials=270",
    "evaluator.name=shared_weights",
    "evaluator.steps=9",
    "evaluator.final_draws=100",
)
STRATEGIES: Mapping[str, Sequence[str]] = {
    "random": ("controller.name=random", FULL),
    "random, surrogate": ("controller.name=random", "wrapper.name=surrogate", FULL),
    "evolution": ("controller.name=evolution", FULL),
    "evolution, surrogate": ("controller.name=evolution", "wrapper.name=surrogate", FULL),
    "ppo, bare": ("controller.name=ppo", "wrapper.name=none", FULL),
    "ppo": ("controller.name=ppo", FULL),
    "random, rungs": ("controller.name=random", *RUNGS),
    "ppo, rungs": ("controller.name=ppo", *RUNGS),
    "random, scores": ("controller.name=random", *SCORES),
    "ppo, scores": ("controller.name=ppo", *SCORES),
    "random, shared": ("controller.name=random", *SHARED),
    "ppo, shared": ("controller.name=ppo", *SHARED),
}
CONFIG = SearchConfig.parse(resolve(SEARCH, ConfigRequest("digits_ppo", settings=CHILD)))
CHILD_FIDELITY = replace(CONFIG.fidelity, network=replace(CONFIG.network, image_size=8, in_channels=1))
LARGER = {"num_filters": 8}, {"epochs": 12, "batch_size": 64}


class Lines:
    """The file of what is done, by kind, strategy and seed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        """All lines; other processes may add some."""
        lines = map(json.loads, self._path.read_text().splitlines() if self._path.exists() else [])
        return {(line["kind"], line["strategy"], line["seed"]): line for line in lines}

    def add(self, kind: str, strategy: str, seed: int, **values: Any) -> None:  # noqa: ANN401 - plain data
        """Adds a line."""
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, "strategy": strategy, "seed": seed, **values}) + "\n")


def train_alone(architecture: Architecture, fidelity: Fidelity, data: DataSet, split: Split, *, seed: int) -> float:
    """Accuracy on a split of a network trained from scratch."""
    network = build_initial(architecture, fidelity.network, fidelity.recipe, seed=seed)
    train(network, data, fidelity.recipe, seed=seed)
    return accuracy(network, split, data, fidelity.recipe)


def validation(record: Record) -> float:
    """Validation accuracy of a trial that did not fail; 0 of one that did."""
    return record.outcome.accuracy if isinstance(record.outcome, Success) else 0.0


def run(strategy: str, seed: int, out: Path, data: DataSet) -> dict[str, Any]:
    """Runs a search, or resumes it, and describes the cell that it hands over and the way to it."""
    folder = out / f"{strategy.replace(', ', '-')}-{seed}"
    settings = (*CHILD, *STRATEGIES[strategy], f"search.seed={seed}")
    started, is_resumed = time.process_time(), folder.exists()
    if run_search(ConfigRequest("digits_ppo", settings=settings), folder, Console(quiet=True)) == INTERRUPTED:
        raise KeyboardInterrupt
    records = read_ledger(folder / "ledger.jsonl").finished
    spent = np.cumsum([record.num_epochs for record in records])
    if "shared" in strategy:
        (draws,) = folder.glob("draws-*.jsonl")
        ranked = read_ledger(draws).best(NUM_CANDIDATES)
        alone = [
            train_alone(each.trial.architecture, CHILD_FIDELITY, data, data.validation, seed=each.trial.seed)
            for each in ranked
        ]
        best, reached = ranked[int(np.argmax(alone))], max(alone)
        curve = [[EPOCHS * (NUM_TRIALS - NUM_CANDIDATES + place + 1), EPOCHS, each] for place, each in enumerate(alone)]
    else:
        records = records[: int(np.searchsorted(spent, EPOCHS * NUM_TRIALS, side="right"))]
        best = max((record for record in records if record.num_epochs == EPOCHS), key=validation)
        reached = validation(best)
        curve = [
            [int(epochs), record.num_epochs, round(validation(record), 5)]
            for record, epochs in zip(records, spent, strict=False)
        ]
    return {
        "architecture": best.trial.architecture.to_json(),
        "validation": reached,
        "curve": curve,
        "num_different": len({record.fingerprint for record in records}),
        "cpu_seconds": None if is_resumed else round(time.process_time() - started, 1),
    }


def retrain(architecture: Architecture, data: DataSet, seed: int) -> dict[str, list[float]]:
    """Test accuracies of a cell with seeds that no search used, as a child and in the larger network."""
    seeds = [10_000 + NUM_RETRAINED * seed + place for place in range(NUM_RETRAINED)]
    larger = replace(
        CHILD_FIDELITY,
        network=replace(CHILD_FIDELITY.network, **LARGER[0]),
        recipe=replace(CHILD_FIDELITY.recipe, **LARGER[1]),
    )
    test = data.load_test()
    return {
        name: [train_alone(architecture, fidelity, data, test, seed=each) for each in seeds]
        for name, fidelity in {"child": CHILD_FIDELITY, "larger": larger}.items()
    }


def work(options: argparse.Namespace, lines: Lines) -> None:
    """Runs what is missing, seed by seed, until the time is over."""
    data = load_data(CHILD_FIDELITY.data)
    until = time.monotonic() + 60 * options.minutes
    for seed in options.seeds:
        for strategy in options.strategies.split(";") if options.strategies else STRATEGIES:
            done = lines.read()
            if ("search", strategy, seed) not in done:
                if time.monotonic() > until:
                    return
                lines.add("search", strategy, seed, **run(strategy, seed, options.out, data))
            if ("retrained", strategy, seed) not in done:
                found = Architecture.from_json(lines.read()["search", strategy, seed]["architecture"])
                lines.add("retrained", strategy, seed, **retrain(found, data, seed))


def incumbents(line: Mapping[str, Any]) -> NDArray[np.float64]:
    """The best validation accuracy of a wholly trained child after each epoch of a search; NaN before the first."""
    values = np.full(EPOCHS * NUM_TRIALS + 1, np.nan)
    for spent, own, value in line["curve"]:
        if own == EPOCHS:
            values[spent:] = np.fmax(values[spent], value)
    return values


def times_cheaper(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> str:
    """CPU time of whole searches, divided by that after which ours have the same mean incumbent, with a 95 % interval.

    0 where ours do not come that far. Percentiles over resampled seeds, which with few of them are too close.
    """
    curves, others = (np.stack([incumbents(line) for line in group]) for group in (ours, theirs))
    relative_cost = mean_seconds(ours) / mean_seconds(theirs)
    random = np.random.default_rng(0)

    def factor(picks: NDArray[np.int64], other_picks: NDArray[np.int64]) -> float:
        reached = np.flatnonzero(curves[picks].mean(axis=0) >= others[other_picks, -1].mean())
        share = reached[0] / (curves.shape[1] - 1) if len(reached) else np.inf
        return float(1 / (share * relative_cost))

    sizes = len(ours), len(theirs)
    drawn = [factor(*(random.integers(size, size=size) for size in sizes)) for _ in range(2000)]
    bounds = np.quantile(drawn, TAILS) if min(sizes) > 1 else (np.nan, np.nan)
    return bounded(Interval(factor(*(np.arange(size) for size in sizes)), *map(float, bounds)), ".2f")


def bounded(interval: Interval, form: str) -> str:
    """An estimate with its bounds, if it has any."""
    bounds = f" ({interval.low:{form}} to {interval.high:{form}})" if interval.bounded else ""
    return f"{interval.value:{form}}{bounds}"


def mean_seconds(lines: Iterable[Mapping[str, Any]]) -> float:
    """CPU seconds of a search; those that were resumed do not count."""
    return float(np.mean([line["cpu_seconds"] for line in lines if line["cpu_seconds"] is not None]))


def draw(lines: Lines, path: Path) -> None:
    """Mean incumbents of the strategies over the CPU time of their searches."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    done = lines.read()
    for place, name in enumerate(STRATEGIES):
        found = [line for (kind, each, _), line in done.items() if (kind, each) == ("search", name)]
        if found:
            mean = np.mean([incumbents(line) for line in found], axis=0)
            seconds = np.linspace(0, mean_seconds(found), len(mean))
            style = ("-", "--", ":")[place // 4]
            axes.plot(seconds, 100 * mean, style, color=f"C{place % 4}", label=f"{name} ({len(found)})")
    axes.set(xlabel="CPU seconds of the search", ylabel="validation accuracy of the best whole child (%)")
    axes.legend(title="strategy (seeds)", fontsize="small")
    figure.savefig(path, dpi=100)


def report(lines: Lines) -> Iterator[str]:
    """A table of what is done: means over seeds, and differences from random search, with 95 % intervals."""
    done = lines.read()
    columns: dict[str, Callable[[str, int], float]] = {
        "validation": lambda strategy, seed: float(done["search", strategy, seed]["validation"]),
        "test, child": lambda strategy, seed: float(np.mean(done["retrained", strategy, seed]["child"])),
        "test, larger": lambda strategy, seed: float(np.mean(done["retrained", strategy, seed]["larger"])),
    }
    names = " | ".join(f"{name} | minus random" for name in columns)
    yield f"| strategy | seeds | CPU s | {names} | times cheaper than random |"
    yield "|---" * (4 + 2 * len(columns)) + "|"
    seeds = {
        name: [seed for kind, each, seed in sorted(done) if (kind, each) == ("retrained", name)] for name in STRATEGIES
    }
    for name in [each for each in STRATEGIES if seeds[each]]:
        seconds = mean_seconds(done["search", name, seed] for seed in seeds[name])
        cells = [name, str(len(seeds[name])), f"{seconds:.0f}"]
        for column in columns.values():
            ours, theirs = (100 * np.array([column(each, seed) for seed in seeds[each]]) for each in (name, "random"))
            mean, gain = bootstrap_interval(ours, seed=0), difference(ours, theirs, seed=0)
            cells += [bounded(mean, ".2f"), "" if name == "random" else bounded(gain, "+.2f")]
        mine, random = ([done["search", each, seed] for seed in seeds[each]] for each in (name, "random"))
        yield f"| {' | '.join(cells)} | {times_cheaper(mine, random) if name != 'random' else ''} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--strategies", help="some of them, divided by semicolons; all if left out")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = Lines(options.out / "runs.jsonl")
    if not options.report:
        torch.set_num_threads(1)
        work(options, lines)
    print(*report(lines), sep="\n")
    draw(lines, options.out / "curves.png")


if __name__ == "__main__":
    main()
