"""Compares controllers, bare and wrapped, and PPO's settings, on several problems, over many seeds.

Run: ``python benchmarks/ppo_ablation.py --table cifar10.csv --seeds 100`` (``--quick`` for a smoke run).

The problems: the table with its last and with its first validation column as reward (NAS-Bench-201), also reversed, and
synthetic functions with random terms for single choices and pairs of choices, measured with noise: on NASNet's 50
choices, on 20 choices with two options, and on 12 of mixed kinds; of the latter also one with a plateau: the worst 70 %
are all equal. Each seed has a function of its own. The score is the true value of the incumbent: test accuracy in
percent, or standard deviations above the mean of random rollouts.

Prints a table in Markdown: means with the half width of a 95 % interval; for a changed setting the difference from the
defaults, seed by seed. Differences that an interval separates from 0 are bold.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from controllers.fresh import Fresh
from controllers.ppo import PPO, PRESETS, PPOSettings
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import RegularizedEvolution
from controllers.reinforce import Reinforce
from controllers.surrogate import Surrogate, SurrogateSettings
from nas.decisions import Choice
from nas.edge_cell import EdgeCell
from nas.protocols import Controller
from search_spaces.nasbench201 import EdgeSpace
from search_spaces.nasnet import NASNET
from workers.evaluators.table import Columns, read_table

DEFAULTS = PPOSettings()
PLAIN = replace(PRESETS["nasnet"], learning_rate=0.01, batch_size=10, num_epochs=4, entropy_weight=0.01)
VARIANTS: Mapping[str, PPOSettings] = {
    "advantage: moving average": replace(DEFAULTS, advantage="baseline"),
    "rank_greed 0": replace(DEFAULTS, rank_greed=0.0),
    "rank_greed 3": replace(DEFAULTS, rank_greed=3.0),
    "no replay": replace(DEFAULTS, replay_size=0),
    "replay_size 20": replace(DEFAULTS, replay_size=20),
    "entropy_weight 0.01": replace(DEFAULTS, entropy_weight=0.01),
    "entropy_weight 0.1": replace(DEFAULTS, entropy_weight=0.1),
    "learning_rate 0.01": replace(DEFAULTS, learning_rate=0.01),
    "learning_rate 0.04": replace(DEFAULTS, learning_rate=0.04),
    "batch_size 5": replace(DEFAULTS, batch_size=5),
    "batch_size 20": replace(DEFAULTS, batch_size=20),
    "num_epochs 1": replace(DEFAULTS, num_epochs=1),
    "num_epochs 4": replace(DEFAULTS, num_epochs=4),
    "no choice_embedding": replace(DEFAULTS, choice_embedding=False),
    "own softmaxes": replace(DEFAULTS, shared=False),
    "plain": PLAIN,
    "plain, shared softmaxes": replace(PLAIN, shared=True),
    "preset nasnet": PRESETS["nasnet"],
}
CONTROLLERS: Mapping[str, Callable[..., Controller]] = {
    "PPO": PPO,
    "REINFORCE": Reinforce,
    "evolution": RegularizedEvolution,
    "random search": RandomSearch,
    "plain PPO": partial(PPO, settings=replace(PLAIN, shared=True)),
    "plain PPO, own softmaxes": partial(PPO, settings=PLAIN),
}
WRAPPERS: Mapping[str, Callable[..., Controller]] = {
    "": lambda controller, _space, seed: controller,  # noqa: ARG005 - the same call for all
    ", fresh": Fresh,
    ", surrogate": Surrogate,
}


def build_in(wrapper: Callable[..., Controller], build: Callable[..., Controller]) -> Callable[..., Controller]:
    """Builds a controller in a wrapper, for a space."""
    return lambda space, seed: wrapper(build(space.choices, seed=seed), space, seed=seed)


COMPARED: Mapping[str, Callable[..., Controller]] = {
    f"{name}{suffix}": build_in(wrapper, build)
    for name, build in CONTROLLERS.items()
    for suffix, wrapper in WRAPPERS.items()
}
ABLATED: Mapping[str, Callable[..., Controller]] = {
    "PPO, fresh": COMPARED["PPO, fresh"],
    **{name: build_in(Fresh, partial(PPO, settings=settings)) for name, settings in VARIANTS.items()},
}
SURROGATES: Mapping[str, SurrogateSettings] = {
    "improvement_over mean": SurrogateSettings(improvement_over="mean"),
    "learn_from_chosen false": SurrogateSettings(learn_from_chosen=False),
    "mean, learn_from_chosen false": SurrogateSettings(improvement_over="mean", learn_from_chosen=False),
    "num_uniform 0": SurrogateSettings(num_uniform=0),
    "num_mutants 25": SurrogateSettings(num_mutants=25),
}
ABLATED_SURROGATE: Mapping[str, Callable[..., Controller]] = {
    "PPO, surrogate": COMPARED["PPO, surrogate"],
    **{name: build_in(partial(Surrogate, settings=settings), PPO) for name, settings in SURROGATES.items()},
}
ROWS = {"compared": COMPARED, "ppo": ABLATED, "surrogate": ABLATED_SURROGATE}


@dataclass(frozen=True)
class Decisions:
    """A description that is no more than its decisions."""

    decisions: tuple[int, ...]

    @property
    def fingerprint(self) -> str:
        """The decisions themselves."""
        return str(self.decisions)

    def to_json(self) -> list[int]:
        """The decisions."""
        return list(self.decisions)


@dataclass(frozen=True)
class Problem:
    """A space, and what decisions are worth: the reward of a measurement, and the true value."""

    choices: tuple[Choice, ...]
    measure: Callable[[tuple[int, ...]], tuple[float, float]]

    def decode(self, decisions: tuple[int, ...]) -> Decisions:
        """Describes the decisions."""
        return Decisions(decisions)


@cache
def table_problem(path: Path, place: int, sign: int = 1) -> Problem:
    """A table; the reward is the validation column at the place given, times a sign."""
    with path.open(encoding="utf-8") as file:
        valid = [name for name in file.readline().strip().split(",") if name.startswith("valid")]
    table = read_table(path, Columns(valid=valid[place]))
    space = EdgeSpace.of(table.rows)
    values = {space.encode(EdgeCell.from_arch(name)): row for name, row in table.rows.items()}
    return Problem(
        space.choices, lambda decisions: (sign * values[decisions].validation, 100 * sign * values[decisions].test)
    )


def made_up_problem(choices: tuple[Choice, ...], seed: int, *, plateau: float = 0.0) -> Problem:
    """A random function of single choices and of pairs of them, standardized; measured with noise of 0.3.

    With a plateau, that share of rollouts, the worst, have one reward without noise.
    """
    rng = np.random.default_rng(seed)
    options = [choice.num_options for choice in choices]
    singles = [rng.standard_normal(number) * rng.exponential() for number in options]
    pairs = [rng.choice(len(options), 2, replace=False) for _ in range(2 * len(options))]
    tables = [rng.standard_normal((options[i], options[j])) * rng.exponential() for i, j in pairs]

    def raw(decisions: Sequence[int]) -> float:
        alone = sum(values[decision] for values, decision in zip(singles, decisions, strict=True))
        return float(alone + sum(t[decisions[i], decisions[j]] for (i, j), t in zip(pairs, tables, strict=True)))

    draws = [raw(rng.integers(options)) for _ in range(2000)]
    mean, deviation = np.mean(draws), np.std(draws)
    floor = (np.quantile(draws, plateau) - mean) / deviation if plateau else -np.inf

    def measure(decisions: tuple[int, ...]) -> tuple[float, float]:
        value = float((raw(decisions) - mean) / deviation)
        if value <= floor:
            return floor, value
        return value + 0.3 * float(rng.standard_normal()), value

    return Problem(choices, measure)


def problems(table: Path | None) -> dict[str, Callable[[int], Problem]]:
    """By name, each for a seed."""
    kinds, sizes = ("source", "op", "norm"), (3, 5, 2)
    mixed = tuple(Choice(f"choice {place}", kinds[place % 3], sizes[place % 3]) for place in range(12))
    binary = tuple(Choice(f"choice {place}", "op", 2) for place in range(20))
    made_up = {"50 choices": replace(NASNET, norms=("bn",)).choices, "20 of two": binary, "12 mixed": mixed}
    found: dict[str, Callable[[int], Problem]] = {
        name: partial(made_up_problem, choices) for name, choices in made_up.items()
    }
    found["12 mixed, plateau"] = partial(made_up_problem, mixed, plateau=0.7)
    if table is None:
        return found
    columns = (("last", -1, 1), ("first", 0, 1), ("last, reversed", -1, -1))
    return {
        f"table, {name}": lambda _, place=place, sign=sign: table_problem(table, place, sign)
        for name, place, sign in columns
    } | found  # type: ignore[misc]


def run(table: Path | None, name: str, problem_name: str, seed: int, checkpoints: Sequence[int]) -> list[float]:
    """The true value of the incumbent at each checkpoint of one run."""
    torch.set_num_threads(1)
    problem = problems(table)[problem_name](seed)
    controller = {**COMPARED, **ABLATED, **ABLATED_SURROGATE}[name](problem, seed=seed)
    best, incumbent, values = -np.inf, np.nan, []
    for trial in range(max(checkpoints)):
        (rollout,) = controller.ask([trial])
        reward, value = problem.measure(rollout.decisions)
        controller.tell(rollout, reward)
        if reward > best:
            best, incumbent = reward, value
        values.append(incumbent)
    return [values[checkpoint - 1] for checkpoint in checkpoints]


def cell(values: np.ndarray, reference: np.ndarray | None) -> str:
    """A mean, or a difference of means seed by seed, with the half width of its 95 % interval."""
    shown = values if reference is None else values - reference
    mean, error = shown.mean(), shown.std(ddof=1) / len(shown) ** 0.5
    width = stats.t.ppf(0.975, len(shown) - 1) * error
    if reference is None:
        return f"{mean:.2f} ±{width:.2f}"
    text = f"{mean:+.2f} ±{width:.2f}"
    return f"**{text}**" if abs(mean) > width else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--table", type=Path, help="CSV of NAS-Bench-201; left out, only the made-up functions")
    parser.add_argument("--problems", nargs="+", help="names of those to run, as in the table's head; all if left out")
    parser.add_argument("--rows", nargs="+", help="names of strategies or changed settings; the comparison if left out")
    parser.add_argument(
        "--ablation", choices=("ppo", "surrogate"), help="changes settings of PPO with `fresh`, or of its surrogate"
    )
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--checkpoints", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="three seeds of ten trials: tries the benchmark itself")
    arguments = parser.parse_args()
    seeds, checkpoints = (3, [5, 10]) if arguments.quick else (arguments.seeds, arguments.checkpoints)
    known = list(problems(arguments.table))
    names = arguments.problems or known
    if unknown := set(names) - set(known):
        parser.error(f"problems must be of {', '.join(map(repr, known))}, got {', '.join(map(repr, sorted(unknown)))}")
    columns = [f"{name}, {checkpoint}" for name in names for checkpoint in checkpoints]
    print(f"{seeds} seeds\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}", flush=True)
    references: list[np.ndarray] | None = None
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as executor:
        for builder in arguments.rows or ROWS[arguments.ablation or "compared"]:
            jobs = [
                [executor.submit(run, arguments.table, builder, name, seed, checkpoints) for seed in range(seeds)]
                for name in names
            ]
            values = [
                np.array([job.result() for job in group])[:, k] for group in jobs for k in range(len(checkpoints))
            ]
            compared = references if builder in VARIANTS or builder in SURROGATES else None
            cells = [cell(v, None if compared is None else compared[k]) for k, v in enumerate(values)]
            print(f"| {builder} | {' | '.join(cells)} |", flush=True)
            references = references or values


if __name__ == "__main__":
    main()
