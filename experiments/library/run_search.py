"""Runs a search from Python: everything that `nas search` does, with names or with objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.resolve import ConfigRequest
from experiments.library.objects import data_section, objectives_section, section, spec_section
from experiments.library.run import Run, load_run
from experiments.search import run as searches

_NAMED = {"space": "space", "controller": "controller", "evaluate": "evaluator", "reward": "reward"}
_SPECS = ("network", "recipe")


def run_search(  # noqa: PLR0913 - one argument for each part of a search
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    space: Any = None,  # noqa: ANN401 - names, settings or objects
    controller: Any = None,  # noqa: ANN401
    evaluate: Any = None,  # noqa: ANN401
    reward: Any = None,  # noqa: ANN401
    objectives: Any = None,  # noqa: ANN401
    data: Any = None,  # noqa: ANN401
    network: Any = None,  # noqa: ANN401
    recipe: Any = None,  # noqa: ANN401
    trials: int | None = None,
    seed: int | None = None,
    pool: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Run:
    """Runs a search, or resumes the one in the folder, and returns the run.

    Everything is recorded in the folder, which all commands read; after an interruption, the same call resumes.

    Args:
        config: a configuration: its name, a YAML file, or a mapping of sections; None starts from the defaults.
        space: a space or its class, a name such as ``nasnet``, or a mapping with a name and settings.
        controller: a name such as ``ppo``, its settings, a class with ``ask`` and ``tell``, or a mapping.
        evaluate: a function of a `Trial` that returns the accuracy, between 0 and 1, or a `Success`. It may also take
            ``data``; by default the network is trained and validated.
        reward: what the controller maximizes: a function of a `Success`, or a name; by default the accuracy.
        objectives: names of what a front is sought of, such as ``["accuracy", "latency"]``; an `Objectives`; or the
            settings ``names``, ``bounds`` and ``latency`` as a mapping.
        data: a `DataSet`, a function that loads one, a name such as ``digits``, or a folder of images.
        network: attributes of `NetworkSpec`, as a mapping or an object.
        recipe: attributes of `TrainRecipe`, likewise.
        trials: number of trials of the finished run.
        seed: of the run.
        pool: ``serial`` or ``ray``; without a configuration and an address, ``serial``.
        workers: maximum number of Ray workers at a time.
        address: of a running Ray cluster: ``auto`` or ``HOST:PORT``.
        out: the folder of the run; by default ``runs/NAME`` of the configuration.
        settings: further settings by dotted key, such as ``{"search.failure_reward": None}``.
        quiet: whether nothing is printed.

    Raises:
        ValueError: if something does not fit, before the first trial; or the folder holds another run.
        RuntimeError: if the folder is in use or cannot be written, or Ray cannot be reached.
        KeyboardInterrupt: after Ctrl-C, once what finished is recorded; `nas.load_run` opens the run.

    Example:
        >>> import nas
        >>> def evaluate(trial):
        ...     return 1 / (1 + len(trial.architecture.normal.loose_ends))
        >>> parts = {"space": "tiny", "controller": "random", "evaluate": evaluate}
        >>> run = nas.run_search(**parts, trials=5, out="runs/x", quiet=True)
        >>> len(run.trials), run.best.accuracy
        (5, 0.5)
    """
    given = {"space": space, "controller": controller, "evaluate": evaluate, "reward": reward}
    sections = {_NAMED[name]: section(_NAMED[name], value) for name, value in given.items() if value is not None}
    if objectives is not None:
        sections["objectives"] = objectives_section(objectives)
    if data is not None:
        sections["data"] = data_section(data)
    if isinstance(config, Mapping):
        sections = {**{name: dict(part or {}) for name, part in config.items()}, **sections}
    changes: dict[tuple[str, str], Any] = {
        ("search", "num_trials"): trials,
        ("search", "seed"): seed,
        ("workers", "num_workers"): workers,
        ("workers", "address"): address,
    }
    for name, spec in zip(_SPECS, (network, recipe), strict=True):
        changes |= {(name, key): value for key, value in (spec_section({} if spec is None else spec)).items()}
    further = {**_pool_settings(pool, address, given_config=config is not None), **(settings or {})}
    texts = tuple(f"{key}={json.dumps(value)}" for key, value in further.items())
    source = "" if config is None or isinstance(config, Mapping) else str(config)
    request = ConfigRequest(source, changes, texts, sections)
    folder = request.default_folder if out is None else Path(out)
    if searches.run_search(request, folder, Console(quiet=quiet)) == searches.INTERRUPTED:
        raise KeyboardInterrupt  # a script must not go on with half a search
    return load_run(folder)


def _pool_settings(pool: str | None, address: str | None, *, given_config: bool) -> dict[str, Any]:
    """The settings of the pool; a serial one cannot have the limits that a configuration may set."""
    if pool is None and (given_config or address is not None):
        return {}
    limits = {"workers.time_limit_seconds": None, "workers.memory_gib": None}
    return {"workers.pool": "ray"} if pool == "ray" else {"workers.pool": pool or "serial", **limits}
