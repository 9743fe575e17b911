"""`nas search`: resolves a configuration, opens or resumes the run folder, and runs the search to its end."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.from_images import load_images
from experiments.config.kinds import SEARCH
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SPACES, SearchConfig
from experiments.runs.interrupts import Interrupts
from experiments.runs.live_search import SearchDisplay, Tally, WatchedPool
from experiments.runs.log_lines import forward_log
from experiments.runs.notebook import NotebookDisplay
from experiments.runs.printing import one_line, say, say_report
from experiments.runs.run_folder import Binding, RunFolder
from experiments.runs.trackers.opening import open_trackers
from experiments.search.best_weights import BestWeights
from experiments.search.estimate import describe_cost
from experiments.search.final_draws import are_drawn, num_draws, run_draws
from experiments.search.shared_store import lost_weights, open_store
from nas.data.data_set import DataSet
from nas.files.atomic_write import remove_unfinished
from nas.files.storage import StorageError, make_folder
from nas.ledger.writer import Ledger, read_ledger
from nas.protocols import Pool
from nas.records import LedgerContents
from nas.rungs import RankedReward
from nas.search import SearchPlan, search
from nas.training.device import choose_device, choose_dtype
from nas.trial import Outcome
from workers.evaluators.progress import read_progress
from workers.evaluators.train_and_validate import check_fits
from workers.evaluators.zero_cost import ZeroCostSettings
from workers.pools.caching_pool import CachingPool
from workers.pools.rung_pool import RungPool
from workers.pools.serial_pool import SerialPool

INTERRUPTED = 130  # exit code after Ctrl-C
NONE_SUCCESSFUL = 1  # exit code if all trials failed


def run_search(request: ConfigRequest, out: Path | None, console: Console) -> int:
    """Runs a search, or resumes the one in the folder, ``runs/NAME`` if None.

    Returns:
        The exit code: 0, 1 if no trial was successful, or 130 after Ctrl-C.

    Raises:
        ValueError: If the configuration is not valid, or the folder holds a run with another one.
        RuntimeError: If the folder is in use or cannot be written, or Ray cannot be reached.
    """
    folder = RunFolder(out or request.default_folder)
    stored = folder.stored_document() if folder.is_bound(SEARCH) else None
    document = resolve(SEARCH, request, stored)
    config = SearchConfig.parse(document, source=request.source or None)
    data = None
    if stored is None or _names_other_images(request, stored):  # bad input must leave no folder behind
        data, config = _load(document, request, console)
    _bind(folder, config, data, request).check()  # a folder of another run stays as it is
    if stored is not None and not os.access(folder.path, os.W_OK):
        return _show_finished(folder, config, console)
    make_folder(folder.path)
    with Ledger(folder.ledger, SPACES[config.space_name].parse) as ledger:
        _bind(folder, config, data, request).check()
        if _is_finished(config, ledger.contents) and are_drawn(config, folder):
            say(console, f"{folder.path} is finished; add trials with --trials {2 * len(ledger.contents.finished)}")
            return _say_result(config, folder, _count(config, ledger.contents), console)
        if ledger.contents.warning:
            say(console, f"warning: {ledger.contents.warning}")
        if data is None:
            data, config = _load(document, request, console)
        binding = _bind(folder, config, data, request)
        binding.check()
        for notice in binding.notices():
            say(console, notice)
        _write_folder(folder, config)
        binding.write_data()
        return _run(config, folder, ledger, data, console)


def _is_finished(config: SearchConfig, contents: LedgerContents) -> bool:
    return len(contents.finished) >= config.search.num_trials and not contents.pending


def _bind(folder: RunFolder, config: SearchConfig, data: DataSet | None, request: ConfigRequest) -> Binding:
    """Binds the folder to configuration and images; a search uses no test images."""
    report = None if data is None or data.report is None else data.report.without_test()
    return Binding(folder, config, data=report, accept_data=request.accept_data)


def _names_other_images(request: ConfigRequest, stored: Mapping[str, Any]) -> bool:
    """Whether a request names another folder of images than a stored document."""
    root, former = request.changes.get(("data", "root")), stored.get("data")
    return root is not None and isinstance(former, Mapping) and str(root.resolve()) != former.get("root")


def _load(document: dict[str, Any], request: ConfigRequest, console: Console) -> tuple[DataSet | None, SearchConfig]:
    """Loads the images, if the evaluator takes any, and refuses what every trial would fail for."""
    config = SearchConfig.parse(document, source=request.source or None)
    if "data" not in config.evaluator_kind.takes:
        return None, config
    data, config = load_images(SearchConfig, document, request, console)
    say_report(console, None if data.report is None else data.report.without_test())
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
    make_folder(folder.weights)
    for path in (folder.path, folder.weights):
        remove_unfinished(path)
    shutil.rmtree(folder.progress, ignore_errors=True)  # of a killed session
    make_folder(folder.progress)


def _run(config: SearchConfig, folder: RunFolder, ledger: Ledger, data: DataSet | None, console: Console) -> int:
    """Runs the search; returns the exit code."""
    if data is not None and (warning := lost_weights(config, folder, ledger.contents, num_images=len(data.train))):
        say(console, f"warning: {warning}")
    tally = _count(config, ledger.contents)
    keeping = config.workers.keep_weights, ledger.contents.finished, config.reward, config.objectives.front
    weights = BestWeights(folder, *keeping)
    controller, plan = config.build_controller(), search_plan(config)
    display = NotebookDisplay if console.is_jupyter else SearchDisplay
    reporter = display(str(folder.path), tally, console, lambda: read_progress(folder.progress))

    def announce() -> None:
        tally.is_stopping = True
        reporter.say(f"stopping after {tally.num_running} running trials; press Ctrl-C again to abandon them")

    try:
        with (
            forward_log("workers", reporter.say),
            forward_log("controllers", reporter.say),
            open_trackers(config, folder, ledger.contents.finished, reporter.say) as log_outcome,
            _open_pool(config, folder, ledger, plan, data, console) as pool,
        ):
            if cost := describe_cost(config, ledger.contents, data, controller, pool.capacity):
                say(console, cost)
            with reporter, Interrupts(announce) as interrupts:
                tally.start_session()
                watched = WatchedPool(pool, tally)
                for trial, outcome in search(
                    config.space, controller, watched, plan, ledger=ledger, stop=lambda: interrupts.stopping
                ):
                    tally.take(outcome)
                    weights.take(trial, outcome)
                    folder.trial_state(trial.id).unlink(missing_ok=True)
                    log_outcome(outcome)
                    reporter.update()
    except KeyboardInterrupt:
        say(console, f"abandoned {tally.num_running} running trials")
    finally:
        shutil.rmtree(folder.progress, ignore_errors=True)
    code = _say_result(config, folder, tally, console)
    if tally.num_done < config.search.num_trials:
        return INTERRUPTED
    open_pool = partial(_open_pool, config, folder, data=data, console=console)
    return code if run_draws(config, folder, controller, open_pool, console) else INTERRUPTED


def search_plan(config: SearchConfig) -> SearchPlan:
    """The settings of the search loop in a configuration."""
    settings, reward = config.search, config.reward
    if (rungs := settings.rungs) is not None:
        reward = RankedReward(reward, rungs.resolve(config.recipe.epochs), rungs.eta, scores=rungs.scores or ())
    told = reward, settings.failure_reward, settings.batch
    front = config.objectives.front
    return SearchPlan(config.fidelity, settings.num_trials, settings.seed, *told, settings.max_first_failures, front)


@contextmanager
def _open_pool(
    config: SearchConfig,
    folder: RunFolder,
    ledger: Ledger,
    plan: SearchPlan,
    data: DataSet | None,
    console: Console,
) -> Iterator[Pool]:
    workers = config.workers
    evaluate, arguments = _evaluator(config, folder, data)
    if workers.pool == "serial":
        with open_store(config, folder) as store:
            serial_pool = SerialPool(partial(evaluate, **arguments, **store))
            with _reuse(_stop_early(serial_pool, config, ledger), plan, ledger) as pool:
                yield pool
        return
    from workers.cluster.connection import connect
    from workers.pools.ray_pool import RayPool

    where = "starting Ray on this machine" if workers.address is None else f"connecting to Ray at {workers.address}"
    say(console, f"{where}, which may take some seconds")
    with connect(**workers.connection()), open_store(config, folder) as store:
        ray_pool = RayPool(evaluate, arguments={**arguments, **store}, resources=workers.each())
        with _reuse(_stop_early(ray_pool, config, ledger), plan, ledger) as pool:
            yield pool


def _reuse(pool: Pool, plan: SearchPlan, ledger: Ledger) -> Pool:
    """Wraps a pool so that no architecture is evaluated twice, unless shared weights change in the meantime."""
    if plan.fidelity.shared_steps:
        return pool
    return CachingPool(pool, [(record.trial, record.outcome) for record in ledger.contents.finished])


def _stop_early(pool: Pool, config: SearchConfig, ledger: Ledger) -> Pool:
    """Wraps a pool with early stopping, if the search has rungs."""
    settings = config.search
    if settings.rungs is None:
        return pool
    return RungPool(
        pool,
        settings.rungs.resolve(config.recipe.epochs),
        settings.rungs.eta,
        reward=config.reward,
        scores=settings.rungs.scores or (),
        reports=ledger.contents.reports,
        record=ledger.append_report,
        ordered_batch=settings.batch,
    )


def _evaluator(
    config: SearchConfig, folder: RunFolder, data: DataSet | None
) -> tuple[Callable[..., Outcome], dict[str, Any]]:
    """The evaluator, and the arguments that it takes of those that a search offers."""
    kind, workers, rungs = config.evaluator_kind, config.workers, config.search.rungs
    offered = {
        "data": data,
        "weights_dir": str(folder.weights.resolve()) if workers.keep_weights else None,
        "states_dir": None if rungs is None else str(folder.states.resolve()),
        "max_parameters": workers.max_parameters,
        "max_multiply_adds": workers.max_multiply_adds,
        "costs": config.objectives.costs(str(folder.latencies.resolve())),
        "shifts": config.shifts.plan,
        "scoring": None if rungs is None or rungs.scores is None else ZeroCostSettings(rungs.scores),
        "progress_dir": str(folder.progress.resolve()),
    }
    arguments = {name: offered[name] for name in kind.takes if name in offered}  # the store is opened with the pool
    if kind.settings is not None and "store" not in kind.takes:  # whose settings are in the fidelity and the store
        arguments["settings"] = config.evaluator
    return kind.evaluate, arguments


def _show_finished(folder: RunFolder, config: SearchConfig, console: Console) -> int:
    """Shows a run in a folder that cannot be written; StorageError if it is not finished."""
    contents = read_ledger(folder.ledger, SPACES[config.space_name].parse)
    if not _is_finished(config, contents):
        raise StorageError(f"the run folder {folder.path} must be writable: the search in it is not finished")
    say(console, f"{folder.path} is finished")
    return _say_result(config, folder, _count(config, contents), console)


def _count(config: SearchConfig, contents: LedgerContents) -> Tally:
    return Tally(config.search.num_trials, config.reward, (record.outcome for record in contents.finished))


def _say_result(config: SearchConfig, folder: RunFolder, tally: Tally, console: Console) -> int:
    """Shows progress, the best trial, and commands to try next; returns the exit code of a finished search."""
    best, path = tally.incumbent, shlex.quote(str(folder.path))
    if tally.num_done < tally.num_trials:
        say(console, f"{tally.num_done} of {tally.num_trials} trials finished. Run the same command to resume.")
    if best is None:
        failure = tally.last_failure
        last = "" if failure is None else f"; the last failure is {failure.kind}: {one_line(failure.error)[:200]}"
        say(console, f"{folder.path}: {tally.num_done} trials, none successful{last}; try: nas status {path}")
        return NONE_SUCCESSFUL
    size = hint = ""
    if best.num_parameters:  # of plain data there is neither a size nor a network to export
        size = f" ({best.num_parameters:,} parameters, {best.num_multiply_adds / 1e6:,.1f} M multiply-adds)"
        hint = "" if num_draws(config) else f", or nas export {path} --out {shlex.quote(str(folder.path / 'best'))}"
    found = f"best: trial {best.trial_id} with {best.accuracy:.2%}{size}"
    say(console, f"{folder.path}: {tally.num_done} trials, {found}; try: nas status {path}{hint}")
    return 0
