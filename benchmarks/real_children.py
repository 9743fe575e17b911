"""Searches whose children are trained for real: strategies at equal epochs, and the cells that they find judged.

Run: ``nice python benchmarks/real_children.py --out real --minutes 60`` (resumes). For every seed, each strategy spends
the same number of epochs in all, on whole children, on children that rungs stop, or on weights that all trials share.
The cell that it hands over, the best by validation accuracy, is then trained from scratch with three new seeds and
tested, and judged in a second way. Children take a few CPU seconds each:

- networks of NASNet's cells on handwritten digits; what is found is also trained and tested as a larger network;
- with ``--images DIR --table cifar10.csv``, networks of NAS-Bench-201's cells on CIFAR-10 images of 16 x 16 pixels, in
  ``train/<class>/`` and ``test/<class>/``; what is found is also looked up, its test accuracy after 200 epochs.

What is done is a line of ``runs.jsonl`` in the folder, and ``--report`` only prints what is there and draws
``curves.png``. One thread; processes that share the folder need ``--seeds`` or ``--strategies`` of their own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console

from experiments.comparison.statistics import TAILS, Interval, bootstrap_interval, difference
from experiments.config.from_images import load_images
from experiments.config.kinds import SEARCH
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig
from experiments.search.run import INTERRUPTED, run_search
from nas.data.data_set import DataSet, Split
from nas.descriptions import CellDescription, cells_from_json
from nas.fidelity import Fidelity
from nas.ledger.reader import read_ledger
from nas.records import Record
from nas.training.initial import build_initial
from nas.training.loop import accuracy, train
from nas.trial import Success
from workers.evaluators.table import read_table

NUM_RETRAINED, NUM_CANDIDATES = 3, 10
DEFAULT = "random;ppo;random, rungs;ppo, rungs;random, shared;ppo, shared"
CONTROLLERS: Mapping[str, Sequence[str]] = {
    "random": ("controller.name=random",),
    "random, surrogate": ("controller.name=random", "wrapper.name=surrogate"),
    "evolution": ("controller.name=evolution",),
    "evolution, surrogate": ("controller.name=evolution", "wrapper.name=surrogate"),
    "ppo, bare": ("controller.name=ppo", "wrapper.name=none"),
    "ppo": ("controller.name=ppo",),
}


@dataclass(frozen=True)
class Proxy:
    """The children of a comparison.

    Attributes:
        config: name of the configuration that `settings` change.
        settings: settings of whole children, for all strategies.
        epochs: of a whole child.
        num_trials: whole children in a search.
        steps: of a trial on shared weights, one pass over the images.
        second: name of the second way to judge a cell.
        judge: that accuracy, given a cell, the fidelity of a child, the images and seeds that no search used.
    """

    config: str
    settings: Sequence[str]
    epochs: int
    num_trials: int
    steps: int
    second: str
    judge: Callable[[CellDescription, Fidelity, DataSet, Sequence[int]], list[float]]

    @property
    def num_epochs(self) -> int:
        """Epochs of a search."""
        return self.epochs * self.num_trials

    def request(self, *settings: str) -> ConfigRequest:
        """The configuration of a search."""
        return ConfigRequest(self.config, settings=(*self.settings, f"recipe.epochs={self.epochs}", *settings))

    def strategies(self) -> dict[str, Sequence[str]]:
        """The strategies by name, as settings."""
        passes = self.num_epochs - self.epochs * NUM_CANDIDATES  # over the images, less those of the candidates
        ways = {
            "": (f"search.num_trials={self.num_trials}",),
            ", rungs": (f"search.num_trials={round(1.9 * self.num_trials)}", "search.rungs={epochs: [1], eta: 3}"),
            ", scores": (
                f"search.num_trials={round(4.2 * self.num_trials)}",
                "search.rungs={scores: [synflow, jacobian_covariance], epochs: [0], eta: 4}",
            ),
            ", shared": (
                f"recipe.epochs={passes}",
                f"search.num_trials={passes}",
                "evaluator.name=shared_weights",
                f"evaluator.steps={self.steps}",
                "evaluator.final_draws=100",
            ),
        }
        return {head + way: (*CONTROLLERS[head], *settings) for way, settings in ways.items() for head in CONTROLLERS}


def accuracies_when_larger(found: CellDescription, child: Fidelity, data: DataSet, seeds: Sequence[int]) -> list[float]:
    """Test accuracies of a larger network, trained longer."""
    larger = replace(
        child,
        network=replace(child.network, num_filters=2 * child.network.num_filters),
        recipe=replace(child.recipe, epochs=4 * child.recipe.epochs, batch_size=child.recipe.batch_size // 2),
    )
    test = data.load_test()
    return [train_alone(found, larger, data, test, seed=seed) for seed in seeds]


COMMON = ("workers.pool=serial", "workers.time_limit_seconds=null", "workers.keep_weights=0")
DIGITS = Proxy(
    "digits_ppo",
    (*COMMON, "network.num_filters=4", "recipe.batch_size=128"),
    epochs=3,
    num_trials=100,
    steps=9,
    second="larger",
    judge=accuracies_when_larger,
)


def cifar10(images: Path, table: Path) -> Proxy:
    """Children of NAS-Bench-201's space; what is found has a published accuracy."""
    settings = (
        *COMMON,
        "space.name=nasbench201",
        f"data.root={json.dumps(str(images.resolve()))}",
        "data.image_size=16",
        "data.num_train=3200",
        "data.validation_fraction=0.5",
        "recipe.batch_size=32",
    )
    rows = read_table(table).rows
    return Proxy(
        "cifar10_smoke",
        settings,
        epochs=3,
        num_trials=80,
        steps=50,
        second="200 epochs",
        judge=lambda found, *_others: [rows[found.arch].test],
    )


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


def train_alone(architecture: CellDescription, fidelity: Fidelity, data: DataSet, split: Split, *, seed: int) -> float:
    """Accuracy on a split of a network trained from scratch."""
    network = build_initial(architecture, fidelity.network, fidelity.recipe, seed=seed)
    train(network, data, fidelity.recipe, seed=seed)
    return accuracy(network, split, data, fidelity.recipe)


def validation(record: Record) -> float:
    """Validation accuracy of a trial that did not fail; 0 of one that did."""
    return record.outcome.accuracy if isinstance(record.outcome, Success) else 0.0


class Comparison:
    """Strategies on the children of a proxy, in a folder."""

    def __init__(self, proxy: Proxy, out: Path) -> None:
        self._proxy, self._out, self._strategies = proxy, out, proxy.strategies()
        request = proxy.request()
        self._data, config = load_images(SearchConfig, resolve(SEARCH, request), request, Console(quiet=True))
        self._child = config.fidelity

    def search(self, strategy: str, seed: int) -> dict[str, Any]:
        """Runs a search, or resumes it, and describes the cell that it hands over and the way to it."""
        epochs, folder = self._proxy.epochs, self._out / f"{strategy.replace(', ', '-')}-{seed}"
        request = self._proxy.request(*self._strategies[strategy], f"search.seed={seed}")
        started, is_resumed = time.process_time(), folder.exists()
        if run_search(request, folder, Console(quiet=True)) == INTERRUPTED:
            raise KeyboardInterrupt
        records = read_ledger(folder / "ledger.jsonl").finished
        if "shared" in strategy:
            (draws,) = folder.glob("draws-*.jsonl")
            ranked = read_ledger(draws).best(NUM_CANDIDATES)
            alone = [self._validate(record) for record in ranked]
            best, reached = ranked[int(np.argmax(alone))], max(alone)
            first = self._proxy.num_epochs - epochs * NUM_CANDIDATES
            curve = [[first + epochs * place, epochs, each] for place, each in enumerate(alone, start=1)]
        else:
            spent = np.cumsum([record.num_epochs for record in records])
            records = records[: int(np.searchsorted(spent, self._proxy.num_epochs, side="right"))]
            best = max((record for record in records if record.num_epochs == epochs), key=validation)
            reached = validation(best)
            curve = [
                [int(total), record.num_epochs, round(validation(record), 5)]
                for record, total in zip(records, spent, strict=False)
            ]
        return {
            "architecture": best.trial.architecture.to_json(),
            "validation": reached,
            "curve": curve,
            "num_different": len({record.fingerprint for record in records}),
            "cpu_seconds": None if is_resumed else round(time.process_time() - started, 1),
        }

    def _validate(self, record: Record) -> float:
        """Validation accuracy of a whole child of the same cell."""
        found = cells_from_json(record.trial.architecture.to_json())
        return train_alone(found, self._child, self._data, self._data.validation, seed=record.trial.seed)

    def judge(self, found: CellDescription, seed: int) -> dict[str, list[float]]:
        """Test accuracies of a cell as a child, with seeds that no search used, and those of the second way."""
        seeds = [10_000 + NUM_RETRAINED * seed + place for place in range(NUM_RETRAINED)]
        test = self._data.load_test()
        return {
            "child": [train_alone(found, self._child, self._data, test, seed=each) for each in seeds],
            self._proxy.second: self._proxy.judge(found, self._child, self._data, seeds),
        }


def work(comparison: Comparison, lines: Lines, options: argparse.Namespace) -> None:
    """Runs what is missing, seed by seed, until the time is over."""
    until = time.monotonic() + 60 * options.minutes
    for seed in options.seeds:
        for strategy in options.strategies.split(";"):
            done = lines.read()
            if ("search", strategy, seed) not in done:
                if time.monotonic() > until:
                    return
                lines.add("search", strategy, seed, **comparison.search(strategy, seed))
            if ("retrained", strategy, seed) not in done:
                found = cells_from_json(lines.read()["search", strategy, seed]["architecture"])
                lines.add("retrained", strategy, seed, **comparison.judge(found, seed))


def incumbents(line: Mapping[str, Any], proxy: Proxy) -> NDArray[np.float64]:
    """The best validation accuracy of a wholly trained child after each epoch of a search; NaN before the first."""
    values = np.full(proxy.num_epochs + 1, np.nan)
    for spent, own, value in line["curve"]:
        if own == proxy.epochs:
            values[spent:] = np.fmax(values[spent], value)
    return values


def times_cheaper(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]], proxy: Proxy) -> str:
    """CPU time of whole searches, divided by that after which ours have the same mean incumbent, with a 95 % interval.

    0 where ours do not come that far. Percentiles over resampled seeds, which with few of them are too close.
    """
    curves, others = (np.stack([incumbents(line, proxy) for line in group]) for group in (ours, theirs))
    relative_cost = mean_seconds(ours) / mean_seconds(theirs)
    random = np.random.default_rng(0)

    def factor(picks: NDArray[np.int64], other_picks: NDArray[np.int64]) -> float:
        reached = np.flatnonzero(curves[picks].mean(axis=0) >= others[other_picks, -1].mean())
        share = reached[0] / proxy.num_epochs if len(reached) else np.inf
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


def draw(lines: Lines, proxy: Proxy, path: Path) -> None:
    """Mean incumbents of the strategies over the CPU time of their searches."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    done = lines.read()
    strategies = dict.fromkeys(strategy for _, strategy, _ in done)
    for place, name in enumerate(each for each in proxy.strategies() if each in strategies):
        found = [line for (kind, each, _), line in done.items() if (kind, each) == ("search", name)]
        mean = np.mean([incumbents(line, proxy) for line in found], axis=0)
        seconds = np.linspace(0, mean_seconds(found), len(mean))
        style = ("-", "--", ":")[place // 10]
        axes.plot(seconds, 100 * mean, style, color=f"C{place % 10}", label=f"{name} ({len(found)})")
    axes.set(xlabel="CPU seconds of the search", ylabel="validation accuracy of the best whole child (%)")
    axes.legend(title="strategy (seeds)", fontsize="small")
    figure.savefig(path, dpi=100)


def report(lines: Lines, proxy: Proxy) -> Iterator[str]:
    """A table of what is done: means over seeds, and differences from random search, with 95 % intervals."""
    done = lines.read()

    def in_the_time_of_random(strategy: str, seed: int) -> float:
        """NaN if no child was trained whole by then; the epochs of a search are taken to cost the same."""
        everything, allowed = (
            mean_seconds(line for (kind, each, _), line in done.items() if (kind, each) == ("search", name))
            for name in (strategy, "random")
        )
        best = incumbents(done["search", strategy, seed], proxy)
        return float(best[int(proxy.num_epochs * min(1.0, allowed / everything))])

    columns: dict[str, Callable[[str, int], float]] = {
        "validation, equal CPU time": in_the_time_of_random,
        "validation": lambda strategy, seed: float(done["search", strategy, seed]["validation"]),
        "test, child": lambda strategy, seed: float(np.mean(done["retrained", strategy, seed]["child"])),
        f"test, {proxy.second}": lambda strategy, seed: float(np.mean(done["retrained", strategy, seed][proxy.second])),
    }
    names = " | ".join(f"{name} | minus random" for name in columns)
    yield f"| strategy | seeds | CPU s | {names} | times cheaper than random |"
    yield "|---" * (4 + 2 * len(columns)) + "|"
    seeds = {
        name: [seed for kind, each, seed in sorted(done) if (kind, each) == ("retrained", name)]
        for name in proxy.strategies()
    }
    for name in [each for each in seeds if seeds[each]]:
        seconds = mean_seconds(done["search", name, seed] for seed in seeds[name])
        cells = [name, str(len(seeds[name])), f"{seconds:.0f}"]
        for column in columns.values():
            ours, theirs = (100 * np.array([column(each, seed) for seed in seeds[each]]) for each in (name, "random"))
            if np.isnan(ours).any():
                cells += ["", ""]
                continue
            mean, gain = bootstrap_interval(ours, seed=0), difference(ours, theirs, seed=0)
            cells += [bounded(mean, ".2f"), "" if name == "random" else bounded(gain, "+.2f")]
        mine, random = ([done["search", each, seed] for seed in seeds[each]] for each in (name, "random"))
        yield f"| {' | '.join(cells)} | {times_cheaper(mine, random, proxy) if name != 'random' else ''} |"


def existing(text: str) -> Path:
    """A path of something that exists."""
    if not (path := Path(text)).exists():
        raise argparse.ArgumentTypeError(f"{path} must exist")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=existing, help="a folder of CIFAR-10's images; the digits if left out")
    parser.add_argument("--table", type=existing, help="the CSV file of NAS-Bench-201 for CIFAR-10")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--strategies", default=DEFAULT, help="divided by semicolons")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if (options.images is None) != (options.table is None):
        parser.error("--images and --table must be given together")
    options.out.mkdir(parents=True, exist_ok=True)
    lines, proxy = Lines(options.out / "runs.jsonl"), DIGITS
    if options.images is not None:
        proxy = cifar10(options.images, options.table)
    if wrong := set(options.strategies.split(";")) - proxy.strategies().keys():
        parser.error(f"--strategies must be among {'; '.join(proxy.strategies())}, got {'; '.join(sorted(wrong))}")
    if not options.report:
        torch.set_num_threads(1)
        work(Comparison(proxy, options.out), lines, options)
    print(*report(lines, proxy), sep="\n")
    draw(lines, proxy, options.out / "curves.png")


if __name__ == "__main__":
    main()
