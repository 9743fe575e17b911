"""`nas search`: resolves a configuration, opens or continues the run's folder, and runs the search to its end."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from experiments.config.search_config import SearchConfig, parse_config
from experiments.runs.interrupts import Interrupts
from experiments.runs.live_search import Tally, WatchedPool, make_reporter
from experiments.runs.log_lines import said_log
from experiments.runs.run_folder import RunFolder, differences
from experiments.runs.trackers.opening import open_trackers
from experiments.search.best_weights import BestWeights
from experiments.search.options import Document, SearchOptions, parse_named, resolve
from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.ledger.writer import Ledger
from nas.protocols import Pool
from nas.search import SearchPlan, search
from nas.training.device import choose_device, choose_dtype
from workers.evaluators.train_and_validate import check_fits, train_and_validate
from workers.pools.caching_pool import CachingPool
from workers.pools.serial_pool import SerialPool

__all__ = ["INTERRUPTED", "SearchOptions", "run_search"]

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

FROM_DATA = ("num_classes", "in_channels", "image_size")
"""Settings of the network that follow from the images where the configuration leaves them out."""


def run_search(source: str, options: SearchOptions, console: Console) -> int:
    """Runs a search, or continues the one in the folder.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package.
        options: what differs from it.
        console: where progress is shown.

    Returns:
        The exit code: 0, or 130 after Ctrl-C.

    Raises:
        ValueError: if the configuration is not valid, or the folder holds a run with another one.
        RuntimeError: if the folder is in use or cannot be written, or Ray cannot be reached.
        OSError: if a file cannot be read.
    """
    folder = RunFolder(options.out or Path("runs") / Path(source).stem)
    stored = _binding_document(folder)
    document = _adopt(resolve(source, options), stored)
    config = parse_named(source, document, options)
    data = None
    if stored is None:  # bad input must leave no folder behind
        data, config = _load(document, config, console)
    _make(folder.path)
    with Ledger(folder.ledger) as ledger:
        _check_same(folder, config)
        if len(ledger.contents.finished) >= config.search.num_trials and not ledger.contents.pending:
            more = 2 * len(ledger.contents.finished)
            _say(console, f"{folder.path} is finished; ask for more with --trials {more}")
            _say_result(folder, _count(config, ledger), console)
            return 0
        if ledger.contents.warning:
            _say(console, f"warning: {ledger.contents.warning}")
        if data is None:
            data, config = _load(document, config, console)
        _write_folder(folder, config)
        finished = _run(config, folder, ledger, data, console)
    return 0 if finished else INTERRUPTED


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(f"the folder {folder} cannot be made: {error.strerror}") from None


def _adopt(document: Document, stored: Mapping[str, Any] | None) -> Document:
    """Takes over from the run in the folder what the configuration leaves to the data, and where the data lie."""
    for section, key in (*(("network", key) for key in FROM_DATA), ("data", "root")):
        value = (stored or {}).get(section, {}).get(key)
        if value is not None and document[section].get(key) is None:
            document[section][key] = value
    return document


def _load(document: Document, config: SearchConfig, console: Console) -> tuple[DataSet, SearchConfig]:
    """Loads the images, and sets what the configuration leaves to them."""
    spec = config.fidelity.data
    if console.is_terminal:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task(f"reading {spec.name}", total=None)
            data = load_data(spec, progress=lambda done, total: progress.update(task, completed=done, total=total))
    else:
        data = load_data(spec)
    from_data = (len(data.class_names), data.num_channels, data.image_size[0])
    for key, value in zip(FROM_DATA, from_data, strict=True):
        document["network"].setdefault(key, value)
    config = parse_config(document)
    check_fits(config.fidelity, data)
    _check_device(config)
    return data, config


def _check_device(config: SearchConfig) -> None:
    """Refuses what every trial would fail for, before it uses up the budget of trials."""
    recipe, workers = config.fidelity.recipe, config.workers
    if recipe.device == "cuda" and workers.pool == "ray" and workers.gpus == 0:
        raise ValueError(
            "workers.gpus must be above 0 for recipe.device cuda, got 0: a child sees only the GPUs it asks for"
        )
    if workers.address is None:  # a cluster's nodes may have what this machine lacks
        choose_dtype(recipe, choose_device(recipe))


def _binding_document(folder: RunFolder) -> Document | None:
    """The configuration that a continuation must share; None where the first start ended before its first trial."""
    stored = folder.stored_document()
    return stored if folder.has_trials else None


def _check_same(folder: RunFolder, config: SearchConfig) -> None:
    stored = _binding_document(folder)
    if stored is None:
        return
    try:
        former = parse_config(stored).to_document()
    except ValueError as error:
        raise ValueError(f"{folder.config}: {error}") from None
    if different := differences(former, config.to_document()):
        raise ValueError(
            f"{folder.path} holds a run with another configuration ({'; '.join(different)}); choose another --out"
        )


def _write_folder(folder: RunFolder, config: SearchConfig) -> None:
    document, stored = config.to_document(), _binding_document(folder)
    if stored is not None:
        document["search"]["num_trials"] = max(document["search"]["num_trials"], stored["search"]["num_trials"])
    if document != stored:
        folder.write_config(document)
    folder.write_environment()
    folder.weights.mkdir(exist_ok=True)


def _run(config: SearchConfig, folder: RunFolder, ledger: Ledger, data: DataSet, console: Console) -> bool:
    """Runs the search; returns whether it came to its end."""
    tally = _count(config, ledger)
    weights = BestWeights(folder, config.workers.keep_weights, ledger.contents.finished, config.reward)
    reporter = make_reporter(str(folder.path), tally, console)

    def announce() -> None:
        reporter.say(f"stopping: {tally.num_running} trials are in flight; Ctrl-C again lets go of them")

    try:
        with (
            said_log("workers", reporter.say),
            open_trackers(config, folder, ledger.contents.finished, reporter.say) as trackers,
            _open_pool(config, folder, ledger, data) as pool,
            reporter,
            Interrupts(announce) as interrupts,
        ):
            tally.start_session()
            for trial, outcome in search(
                config.space,
                config.build_controller(),
                WatchedPool(pool, tally),
                _plan(config),
                ledger=ledger,
                stop=lambda: interrupts.stopping,
            ):
                tally.take(outcome)
                weights.take(trial, outcome)
                trackers.take(outcome)
                reporter.update()
    except KeyboardInterrupt:
        _say(console, f"let go of {tally.num_running} trials in flight")
    _say_result(folder, tally, console)
    return tally.num_done >= config.search.num_trials


def _plan(config: SearchConfig) -> SearchPlan:
    settings = config.search
    return SearchPlan(
        fidelity=config.fidelity,
        num_trials=settings.num_trials,
        seed=settings.seed,
        reward=config.reward,
        failure_reward=settings.failure_reward,
        ordered_batch=settings.ordered_batch if settings.deterministic else None,
    )


@contextmanager
def _open_pool(config: SearchConfig, folder: RunFolder, ledger: Ledger, data: DataSet) -> Iterator[Pool]:
    workers = config.workers
    arguments: dict[str, Any] = {
        "data": data,
        "weights_dir": str(folder.weights.resolve()) if workers.keep_weights else None,
        "max_parameters": workers.max_parameters,
        "max_multiply_adds": workers.max_multiply_adds,
        "shifts": config.shifts.plan,
    }
    known = [(record.trial, record.outcome) for record in ledger.contents.finished]
    if workers.pool == "serial":
        with CachingPool(SerialPool(partial(train_and_validate, **arguments)), known) as pool:
            yield pool
        return
    from workers.cluster.connection import connect
    from workers.pools.ray_pool import RayPool

    with (
        connect(**workers.connection()),
        CachingPool(RayPool(train_and_validate, arguments=arguments, resources=workers.ray_resources()), known) as pool,
    ):
        yield pool


def _count(config: SearchConfig, ledger: Ledger) -> Tally:
    tally = Tally(config.search.num_trials, config.reward)
    for record in ledger.contents.finished:
        tally.take(record.outcome)
    return tally


def _say_result(folder: RunFolder, tally: Tally, console: Console) -> None:
    """Says how far the run is, what is best, where things lie and what to try next."""
    best, path = tally.incumbent, shlex.quote(str(folder.path))
    if tally.num_done < tally.num_trials:
        _say(console, f"{tally.num_done} of {tally.num_trials} trials are finished; the same command goes on")
    if best is None:
        _say(console, f"{folder.path}: {tally.num_done} trials, none successful; try: nas status {path}")
        return
    size = f"{best.num_parameters:,} parameters, {best.num_multiply_adds / 1e6:,.1f} M multiply-adds"
    _say(
        console,
        f"{folder.path}: {tally.num_done} trials, best: trial {best.trial_id} with {best.accuracy:.2%} ({size}); "
        f"try: nas status {path}, or nas export {path} --out {shlex.quote(str(folder.path / 'best'))}",
    )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
