"""The end of a search with shared weights: architectures drawn from the controller, scored with the final weights.

Outcomes of the search itself are from weights of different ages and cannot be compared. The draws are a search of their
own, with a ledger beside that of the search, in which nothing is trained and the controller is told nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from rich.console import Console

from experiments.config.search_config import SPACES, SearchConfig
from experiments.runs.interrupts import Interrupts
from experiments.runs.live_search import SearchDisplay, Tally, WatchedPool
from experiments.runs.printing import say
from experiments.runs.run_folder import RunFolder
from nas.decisions import Rollout
from nas.ledger.writer import Ledger, read_ledger
from nas.protocols import Controller, Pool
from nas.search import SearchPlan, search
from workers.evaluators.shared_weights import SharedWeightsSettings

OpenPool = Callable[[Ledger, SearchPlan], AbstractContextManager[Pool]]


class _Drawing:
    """A controller that goes on proposing as at the end of a search, and learns no more."""

    def __init__(self, controller: Controller, num_trials: int) -> None:
        self._controller, self._num_trials = controller, num_trials

    def ask(self, trial_ids: Sequence[int], pending: Sequence[Rollout] = ()) -> list[Rollout]:
        return self._controller.ask([self._num_trials + trial_id for trial_id in trial_ids], pending)

    def tell(self, rollout: Rollout, reward: float) -> None:
        """Ignores the reward."""


def num_draws(config: SearchConfig) -> int:
    """Number of architectures to draw at the end of a search."""
    return config.evaluator.final_draws if isinstance(config.evaluator, SharedWeightsSettings) else 0


def are_drawn(config: SearchConfig, folder: RunFolder) -> bool:
    """Whether the draws at the end of a search are complete."""
    parse = SPACES[config.space_name].parse
    return len(read_ledger(folder.draws(config.search.num_trials), parse).finished) >= num_draws(config)


def run_draws(
    config: SearchConfig, folder: RunFolder, controller: Controller, open_pool: OpenPool, console: Console
) -> bool:
    """Draws and scores architectures, or resumes that; returns whether all are scored.

    Args:
        config: of the search.
        folder: of the search.
        controller: after the last tell of the search.
        open_pool: makes the pool of a ledger and a plan.
        console: shows progress.
    """
    number, path = num_draws(config), folder.draws(config.search.num_trials)
    if not number:
        return True
    fidelity = replace(config.fidelity, shared_steps=0)
    plan = SearchPlan(fidelity, number, config.search.seed, config.reward, config.search.failure_reward)
    with Ledger(path, SPACES[config.space_name].parse) as ledger:
        tally = Tally(number, config.reward, (record.outcome for record in ledger.contents.finished))
        reporter = SearchDisplay(f"{folder.path}: draws with the final weights", tally, console)
        try:
            with open_pool(ledger, plan) as pool, reporter, Interrupts() as interrupts:
                tally.start_session()
                drawing, watched = _Drawing(controller, config.search.num_trials), WatchedPool(pool, tally)
                for _, outcome in search(
                    config.space, drawing, watched, plan, ledger=ledger, stop=lambda: interrupts.stopping
                ):
                    tally.take(outcome)
                    reporter.update()
        except KeyboardInterrupt:
            say(console, f"abandoned {tally.num_running} running trials")
    _say_best(folder, tally, console)
    return tally.num_done >= number


def _say_best(folder: RunFolder, tally: Tally, console: Console) -> None:
    if (best := tally.incumbent) is not None:
        say(
            console,
            f"best of {tally.num_done} draws with the final shared weights: draw {best.trial_id} with "
            f"{best.accuracy:.2%}; train the best from scratch: nas select {shlex.quote(str(folder.path))} "
            "--config CONFIG --out FOLDER",
        )
