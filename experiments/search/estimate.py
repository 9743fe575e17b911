"""What a search will cost, told before its first trial: from earlier trials, or from a dry step of the next ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from experiments.config.search_config import SearchConfig
from experiments.runs.live_display import describe_seconds
from nas.data.data_set import DataSet
from nas.protocols import Controller
from nas.records import LedgerContents
from nas.search import SearchPlan, ask_trials
from nas.trial import Success, Trial
from workers.cluster.resources import WorkerResources
from workers.errors import describe_error

NUM_DRY = 3
"""Networks of which a step is timed, as long as `DRY_SECONDS` have not passed."""

DRY_SECONDS = 5.0
REMOTE_SECONDS = 60.0
"""How long a cluster may take for the dry step, with the time until it has a node."""


def describe_cost(
    config: SearchConfig, contents: LedgerContents, data: DataSet | None, controller: Controller, capacity: int
) -> str | None:
    """The cost of a trial and of what is left of the search, in words; None if the evaluator cannot be estimated."""
    limit = config.workers.num_workers
    num_workers = capacity if config.workers.pool == "serial" else limit or capacity - config.workers.each().num_queued
    num_left = config.search.num_trials - len(contents.finished)
    outcomes = [record.outcome for record in contents.finished]
    measured = [each.train_seconds for each in outcomes if isinstance(each, Success) and not each.cached]
    if measured:
        return in_words(measured, num_left, num_workers, f"as the {len(measured)} trials so far")
    estimate = config.evaluator_kind.estimate
    if estimate is None or data is None:
        return None
    number = len(data.validation) * (1 + len(config.shifts.reward))
    timed = partial(estimate, num_train=len(data.train), num_validation=number)
    if config.workers.pool == "ray" and config.workers.address is not None:
        timed = partial(_on_cluster, timed, config.workers.each())
    try:
        seconds = _time_dry_steps(timed, _next_trials(config, contents, controller))
    except Exception as error:  # the trials themselves will tell
        return f"the dry step of a training failed, so the search is not estimated: {describe_error(error)}"
    return in_words(seconds, num_left, num_workers, f"from a dry step of the first {len(seconds)}")


def in_words(seconds: Sequence[float], num_left: int, num_workers: int, source: str) -> str:
    """One sentence on the cost of a trial and of the trials that are left."""
    low, high, mean = min(seconds), max(seconds), sum(seconds) / len(seconds)
    spread = f" ({describe_seconds(low)} to {describe_seconds(high)})" if round(low) != round(high) else ""
    at_a_time = max(1, min(num_workers, num_left))
    workers = f"{at_a_time} at a time" if at_a_time > 1 else "one at a time"
    whole, trials = describe_seconds(mean * num_left / at_a_time), f"{num_left} trial{'s' * (num_left != 1)}"
    return f"estimate, {source}: {describe_seconds(mean)} per trial{spread}, {whole} for {trials}, {workers}"


def _next_trials(config: SearchConfig, contents: LedgerContents, controller: Controller) -> list[Trial]:
    """The first trials of the search: those that wait, or that the controller proposes. Asking changes nothing."""
    if contents.pending:
        return list(contents.pending[:NUM_DRY])
    plan = SearchPlan(config.fidelity, config.search.num_trials, config.search.seed)
    return ask_trials(config.space, controller, plan, range(min(NUM_DRY, plan.num_trials)))


def _time_dry_steps(timed: Callable[[Trial], float], trials: Sequence[Trial]) -> list[float]:
    started = time.monotonic()
    seconds: list[float] = []
    for trial in trials:
        if seconds and time.monotonic() - started > DRY_SECONDS:
            break
        seconds.append(timed(trial))
    return seconds


def _on_cluster(timed: Callable[[Trial], float], resources: WorkerResources, trial: Trial) -> float:
    """Times a dry step on a worker of the cluster."""
    import ray

    options: dict[str, Any] = {**resources.ray_options(), "num_returns": 1, "max_calls": 1}
    task = ray.remote(**options)(timed).remote(trial)
    try:
        return float(ray.get(task, timeout=REMOTE_SECONDS))
    finally:
        ray.cancel(task, force=True)
