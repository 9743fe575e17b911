"""Measures the CPU time of PPO, relative to fifty bare steps of an LSTM cell, and that of its wrapper ``surrogate``.

Run: ``python benchmarks/controller.py`` (``--quick`` for a smoke run, ``--resume 20000`` to also replay the tells of a
run of the paper's length, as resuming it would, ``--surrogate 2000 20000`` to also measure proposals of the wrapper
after so many tells).

Times are process times on one thread: medians over rounds in which all tasks take turns, after two warm-up rounds. The
space has NASNet's 50 choices.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from controllers.policy import EMBEDDING_SIZE, NUM_UNITS
from controllers.ppo import PPO, PPOSettings
from controllers.surrogate import Surrogate
from nas.decisions import Rollout
from nas.protocols import Controller
from search_spaces.nasnet import NASNET

SPACE = replace(NASNET, norms=("bn",))
CHOICES = SPACE.choices
NUM_ROLLOUTS = 20
NUM_PROPOSALS = 100


def bare_steps(input_size: int) -> Callable[[], None]:
    """One step of a bare cell per choice, for one rollout, without gradients."""
    cell, inputs = nn.LSTMCell(input_size, NUM_UNITS), torch.randn(1, input_size)

    def run() -> None:
        with torch.no_grad():
            state = torch.zeros(1, NUM_UNITS), torch.zeros(1, NUM_UNITS)
            for _ in CHOICES:
                state = cell(inputs, state)

    return run


def ask(num_rollouts: int) -> Callable[[], None]:
    """Asks for several rollouts together."""
    controller = PPO(CHOICES, seed=0)

    def run() -> None:
        controller.ask(range(num_rollouts))

    return run


def tell(settings: PPOSettings) -> Callable[[], None]:
    """Tells 20 rollouts, updates included; the warm-up rounds fill the replay."""
    controller = PPO(CHOICES, settings, seed=0)
    rollouts = controller.ask(range(NUM_ROLLOUTS))

    def run() -> None:
        tell_all(controller, rollouts)

    return run


def tell_all(controller: Controller, rollouts: list[Rollout]) -> None:
    """Tells a different reward for each rollout."""
    for rollout in rollouts:
        controller.tell(rollout, sum(rollout.decisions) / 1000)


def measure(num_rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each task."""
    tasks = {
        "bare": bare_steps(NUM_UNITS),
        "bare_small": bare_steps(EMBEDDING_SIZE),
        "ask_1": ask(1),
        "ask_20": ask(NUM_ROLLOUTS),
        "update": tell(PPOSettings()),
        "update_20": tell(PPOSettings(batch_size=NUM_ROLLOUTS)),
    }
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for index in range(num_rounds + 2):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            if index >= 2:
                times[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def resume_seconds(num_tells: int) -> float:
    """CPU seconds to replay the tells of a run, with rollouts drawn by an untrained policy outside the timing."""
    rollouts = PPO(CHOICES, seed=0).ask(range(num_tells))
    controller = PPO(CHOICES, seed=0)
    start = time.process_time()
    tell_all(controller, rollouts)
    return time.process_time() - start


def proposal_milliseconds(num_tells: int) -> list[float]:
    """Mean CPU milliseconds of a proposal after that many tells: with one worker, and with 500 in flight."""
    controller = Surrogate(PPO(CHOICES, seed=0), SPACE, seed=0)
    rollouts = PPO(CHOICES, seed=1).ask(range(num_tells + 500))
    tell_all(controller, rollouts[:num_tells])
    means = []
    for pending in ([], rollouts[num_tells:]):
        controller.ask([num_tells], pending)  # computes the fingerprints of what was told, once
        total = 0.0
        for place in range(NUM_PROPOSALS):
            start = time.process_time()
            proposed = controller.ask([num_tells + place], pending)
            total += time.process_time() - start
            tell_all(controller, proposed)
        means.append(1000 * total / NUM_PROPOSALS)
    return means


def report(times: dict[str, float]) -> str:
    """Table in Markdown."""
    rows = [
        ("one rollout alone / 50 bare LSTM cell steps", "ask_1", "bare", 2),
        (f"the same, cell fed with {EMBEDDING_SIZE} numbers as the policy's is", "ask_1", "bare_small", None),
        ("20 rollouts together / one alone", "ask_20", "ask_1", None),
        ("20 rollouts told with the updates of the defaults / one asked alone", "update", "ask_1", 15),
        ("20 rollouts told with one update of all 20 / one asked alone", "update_20", "ask_1", 15),
    ]
    lines = ["| what | ms | beside | ratio | goal |", "|---|---:|---:|---:|---:|"]
    for what, name, beside, goal in rows:
        ratio = times[name] / times[beside]
        lines.append(f"| {what} | {times[name]:.2f} | {times[beside]:.2f} | {ratio:.2f} | {goal or 'none'} |")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--resume", type=int, metavar="TELLS")
    parser.add_argument("--surrogate", type=int, nargs="+", default=[], metavar="TELLS")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    times = measure(3 if arguments.quick else arguments.rounds)
    if arguments.resume:
        times["resume_seconds"] = resume_seconds(arguments.resume)
    for number in arguments.surrogate:
        times[f"surrogate_{number}"], times[f"surrogate_{number}_500_workers"] = proposal_milliseconds(number)
    if arguments.json:
        print(json.dumps({"milliseconds": times, "torch": torch.__version__, "machine": platform.machine()}))
        return
    print(report(times))
    if arguments.resume:
        print(f"\n{arguments.resume} replayed tells: {times['resume_seconds']:.1f} s")
    for number in arguments.surrogate:
        alone, many = times[f"surrogate_{number}"], times[f"surrogate_{number}_500_workers"]
        print(f"a proposal of `surrogate` after {number} tells: {alone:.1f} ms; with 500 workers: {many:.1f} ms")


if __name__ == "__main__":
    main()
