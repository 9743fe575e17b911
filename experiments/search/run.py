"""`nas search`: resolves a configuration, opens or resumes the run folder, and runs the search to its end."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.from_images import load_images
from experiments.config.kinds import SEARCH
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import EVALUATORS, SPACES, SearchConfig
from experiments.runs.interrupts import Interrupts
from experiments.runs.live_search import SearchDisplay, Tally, WatchedPool
from experiments.runs.log_lines import forward_log
from experiments.runs.notebook import NotebookDisplay
from experiments.runs.printing import say
from experiments.runs.run_folder import Binding, RunFolder, make_folder
from experiments.runs.trackers.opening import open_trackers
from experiments.search.best_weights import BestWeights
from nas.data.data_set import DataSet
from nas.ledger.writer import Ledger
from nas.protocols import Pool
from nas.search import SearchPlan, search
from nas.training.device import choose_device, choose_dtype
from nas.trial import Outcome
from workers.evaluators.train_and_validate import check_fits
from workers.pools.caching_pool import CachingPool
from workers.pools.serial_pool import SerialPool

INTERRUPTED = 130  # exit code after Ctrl-C


def run_search(request: ConfigRequest, out: Path | None, console: Console) -> int:
    """Runs a search, or resumes the one in the folder, ``runs/NAME`` if None.

    Returns:
        The exit code: 0, or 130 after Ctrl-C.

    Raises:
        ValueError: If the configuration is not valid, or the folder holds a run with another one.
        RuntimeError: If the folder is in use or cannot be written, or Ray cannot be reached.
    """
    folder = RunFolder(out or request.default_folder)
    stored = folder.stored_document() if folder.is_bound(SEARCH) else None
    document = resolve(SEARCH, request, stored)
    config = SearchConfig.parse(document, source=request.source or None)
    data = None
    if stored is None:  # bad input must leave no folder behind
        data, config = _load(document, request, console)
    Binding(folder, config).check()  # a folder of another run stays as it is
    make_folder(folder.path)
    with Ledger(folder.ledger, SPACES[config.space_name].parse) as ledger:
        Binding(folder, config).check()
        if len(ledger.contents.finished) >= config.search.num_trials and not ledger.contents.pending:
            say(console, f"{folder.path} is finished; add trials with --trials {2 * len(ledger.contents.finished)}")
            _say_result(folder, _count(config, ledger), console)
            return 0
        if ledger.contents.warning:
            say(console, f"warning: {ledger.contents.warning}")
        if data is None:
            data, config = _load(document, request, console)
        _write_folder(folder, config)
        return 0 if _run(config, folder, ledger, data, console) else INTERRUPTED


def _load(document: dict[str, Any], request: ConfigRequest, console: Console) -> tuple[DataSet | None, SearchConfig]:
    """Loads the images, if the evaluator takes any, and refuses what every trial would fail for."""
    config = SearchConfig.parse(document, source=request.source or None)
    if "data" not in EVALUATORS[config.evaluator_name].takes:
        return None, config
    data, config = load_images(SearchConfig, document, request, console)
    check_fits(config.fidelity, data)
    recipe, workers = config.recipe, config.workers
    if recipe.device == "cuda" and workers.pool == "ray" and workers.gpus == 0:
        raise ValueError(
            "workers.gpus must be above 0 for recipe.device cuda, got 0: a worker sees only the GPUs it asks for"
        )
    if workers.address is None:  # a cluster's nodes may have what this machine lacks
        choose_dtype(recipe, choose_device(recipe))
    return data, config


def _write_folder(folder: RunFolder, config: SearchConfig) -> None:
    document, stored = config.to_document(), folder.stored_document()
    if stored is not None and folder.is_bound(SEARCH):
        document["search"]["num_trials"] = max(document["search"]["num_trials"], stored["search"]["num_trials"])
    if document != stored:
        folder.write_config(document)
    folder.write_environment()
    folder.weights.mkdir(exist_ok=True)


def _run(config: SearchConfig, folder: RunFolder, ledger: Ledger, data: DataSet | None, console: Console) -> bool:
    """Runs the search; returns whether it came to its end."""
    tally = _count(config, ledger)
    weights = BestWeights(folder, config.workers.keep_weights, ledger.contents.finished, config.reward)
    controller, plan = config.build_controller(), _plan(config)
    display = NotebookDisplay if console.is_jupyter else SearchDisplay
    reporter = display(str(folder.path), tally, console)

    def announce() -> None:
        reporter.say(f"stopping after {tally.num_running} running trials; press Ctrl-C again to abandon them")

    try:
        with (
            forward_log("workers", reporter.say),
            open_trackers(config, folder, ledger.contents.finished, reporter.say) as log_outcome,
            _open_pool(config, folder, ledger, data) as pool,
            reporter,
            Interrupts(announce) as interrupts,
        ):
            tally.start_session()
            watched = WatchedPool(pool, tally)
            for trial, outcome in search(
                config.space, controller, watched, plan, ledger=ledger, stop=lambda: interrupts.stopping
            ):
                tally.take(outcome)
                weights.take(trial, outcome)
                log_outcome(outcome)
                reporter.update()
    except KeyboardInterrupt:
        say(console, f"abandoned {tally.num_running} running trials")
    _say_result(folder, tally, console)
    return tally.num_done >= config.search.num_trials


def _plan(config: SearchConfig) -> SearchPlan:
    settings = config.search
    batch = settings.ordered_batch if settings.deterministic else None
    return SearchPlan(
        config.fidelity, settings.num_trials, settings.seed, config.reward, settings.failure_reward, batch
    )


@contextmanager
def _open_pool(config: SearchConfig, folder: RunFolder, ledger: Ledger, data: DataSet | None) -> Iterator[Pool]:
    workers = config.workers
    evaluate, arguments = _evaluator(config, folder, data)
    known = [(record.trial, record.outcome) for record in ledger.contents.finished]
    if workers.pool == "serial":
        with CachingPool(SerialPool(partial(evaluate, **arguments)), known) as pool:
            yield pool
        return
    from workers.cluster.connection import connect
    from workers.pools.ray_pool import RayPool

    ray_pool = RayPool(evaluate, arguments=arguments, resources=workers.each())
    with connect(**workers.connection()), CachingPool(ray_pool, known) as pool:
        yield pool


def _evaluator(
    config: SearchConfig, folder: RunFolder, data: DataSet | None
) -> tuple[Callable[..., Outcome], dict[str, Any]]:
    """The evaluator, and the arguments that it takes of those that a search offers."""
    kind, workers = EVALUATORS[config.evaluator_name], config.workers
    offered = {
        "data": data,
        "weights_dir": str(folder.weights.resolve()) if workers.keep_weights else None,
        "max_parameters": workers.max_parameters,
        "max_multiply_adds": workers.max_multiply_adds,
        "shifts": config.shifts.plan,
    }
    arguments = {name: offered[name] for name in kind.takes}
    return kind.evaluate, arguments if kind.settings is None else {**arguments, "settings": config.evaluator}


def _count(config: SearchConfig, ledger: Ledger) -> Tally:
    tally = Tally(config.search.num_trials, config.reward)
    for record in ledger.contents.finished:
        tally.take(record.outcome)
    return tally


def _say_result(folder: RunFolder, tally: Tally, console: Console) -> None:
    """Shows progress, the best trial, and commands to try next."""
    best, path = tally.incumbent, shlex.quote(str(folder.path))
    if tally.num_done < tally.num_trials:
        say(console, f"{tally.num_done} of {tally.num_trials} trials finished. Run the same command to resume.")
    if best is None:
        say(console, f"{folder.path}: {tally.num_done} trials, none successful; try: nas status {path}")
        return
    size = f"{best.num_parameters:,} parameters, {best.num_multiply_adds / 1e6:,.1f} M multiply-adds"
    say(
        console,
        f"{folder.path}: {tally.num_done} trials, best: trial {best.trial_id} with {best.accuracy:.2%} ({size}); "
        f"try: nas status {path}, or nas export {path} --out {shlex.quote(str(folder.path / 'best'))}",
    )
