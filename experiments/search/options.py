"""What the command line of `nas search` changes in a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.config.config_file import apply_setting, load_document
from experiments.config.search_config import SearchConfig, parse_config

EMBEDDED = ("digits",)
"""Data sets that lie in no folder."""

Document = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Options of the command line; None leaves a setting as the configuration has it.

    Attributes:
        out: the folder of the run; None means ``runs/<name of the configuration>``.
        data: the folder of the images.
        controller: a controller to use in place of the configuration's, at its defaults.
        trials: how many trials the finished run has.
        seed: of the run.
        workers: most trials measured at a time.
        address: of a running Ray cluster.
        settings: texts of the form ``section.key=value``; they come last.
    """

    out: Path | None = None
    data: Path | None = None
    controller: str | None = None
    trials: int | None = None
    seed: int | None = None
    workers: int | None = None
    address: str | None = None
    settings: tuple[str, ...] = ()


def resolve(source: str, options: SearchOptions) -> Document:
    """The configuration with the options of the command line; raises ValueError if either cannot be used."""
    document = load_document(source)
    if options.controller is not None and options.controller != document["controller"]["name"]:
        document["controller"] = {"name": options.controller}
    changes = {
        ("data", "root"): None if options.data is None else str(options.data.resolve()),
        ("search", "num_trials"): options.trials,
        ("search", "seed"): options.seed,
        ("workers", "num_workers"): options.workers,
        ("workers", "address"): options.address,
    }
    for (section, key), value in changes.items():
        if value is not None:
            document[section][key] = value
    for setting in options.settings:
        apply_setting(document, setting)
    return document


def parse_named(source: str, document: Document, options: SearchOptions) -> SearchConfig:
    """Validates a configuration.

    Args:
        source: the file or the name that it has for a person.
        document: its plain data, options included.
        options: of the command line.

    Raises:
        ValueError: if it is not valid, naming the source, or the options do not fit it.
    """
    try:
        config = parse_config(document)
    except ValueError as error:
        raise ValueError(f"configuration {source}: {error}") from None
    name = config.fidelity.data.name
    if options.data is not None and name in EMBEDDED:
        raise ValueError(
            f"data set {name} comes with a library and reads no folder, got {options.data}: "
            "leave out --data, or choose another set with --set data.name=..."
        )
    return config
