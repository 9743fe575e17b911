"""Run folders that are to be compared: reading them, grouping them by controller, and what forbids a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.comparison.curves import CACHED, SUCCESS, FloatArray, Run, Strategy
from experiments.config.named import stored_reward
from experiments.config.sections import dump_settings, flatten, validate_section
from experiments.runs.run_folder import RunFolder
from nas.architecture import Architecture, fingerprint_json
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.files.strict_json import parse_json
from nas.ledger.writer import read_ledger
from nas.records import Record
from nas.rewards import REWARDS, Reward
from nas.trial import Description, Success

LEARNING = ("search.failure_reward", "search.deterministic", "search.ordered_batch")
"""With the section ``controller``, these settings make a strategy."""
FREE = frozenset(
    {
        "data.root",
        "search.seed",
        "workers.address",
        "workers.dashboard",
        "workers.keep_weights",
        "workers.max_retries",
        "workers.min_workers",
        "workers.num_workers",
        "workers.pool",
        "workers.recycle_after",
    }
)
"""Settings that runs may differ in, whatever their strategy: they change no measurement."""
FREE_SECTIONS = ("controller.", "trackers.", "workers.runtime_env.")
"""Beginnings of further ones; the controller is part of the strategy itself."""
TEST_METRIC = "test_accuracy"
_MEASURED_BY: Mapping[str, type] = {"network": NetworkSpec, "recipe": TrainRecipe, "data": DataSpec}


@dataclass(frozen=True)
class LoadedRun:
    """A run folder in memory.

    Attributes:
        name: the folder as it was given.
        settings: of its configuration, by dotted key.
        environment: versions and hardware, by dotted key.
        records: finished trials in the order of finishing.
        num_pending: trials asked for and not finished.
    """

    name: str
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    records: Sequence[Record]
    num_pending: int

    @property
    def reward(self) -> Reward:
        """What its controller was told of a success."""
        prefix = "reward."
        section = {key.removeprefix(prefix): value for key, value in self.settings.items() if key.startswith(prefix)}
        return stored_reward({"reward": section})

    @property
    def strategy_settings(self) -> dict[str, Any]:
        """What makes its strategy: ``name`` and further settings, by dotted key."""
        prefix = "controller."
        chosen = {key.removeprefix(prefix): value for key, value in self.settings.items() if key.startswith(prefix)}
        return {"name": "unnamed", **chosen, **{key: self.settings[key] for key in LEARNING if key in self.settings}}


@dataclass(frozen=True, slots=True)
class _Opaque:
    """An architecture that is not made of cells: whatever JSON the ledger holds."""

    value: Any

    @property
    def fingerprint(self) -> str:
        return fingerprint_json(self.value)

    def to_json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        return self.value


def load_run(path: Path) -> LoadedRun:
    """Reads a run folder, which may be growing meanwhile.

    Raises:
        ValueError: if it is not a run folder, its files are not valid, or no trial in it is finished.
    """
    folder = RunFolder(path)
    document = folder.stored_document() if path.is_dir() else None
    if document is None:
        raise ValueError(f"{path} holds no run: there is no {folder.config.name} in it")
    contents = read_ledger(folder.ledger, parse=_parse)
    if not contents.finished:
        raise ValueError(f"{path} holds no finished trial: there is nothing to compare")
    environment = dict(flatten(_read_environment(folder.environment)))
    return LoadedRun(
        str(path), dict(flatten(_complete(document))), environment, contents.finished, len(contents.pending)
    )


def _complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """How trials are measured with every setting written out: some came after older runs, which used the defaults."""
    completed = dict(document)
    for name, kind in _MEASURED_BY.items():
        if isinstance(section := document.get(name), Mapping):
            completed[name] = {**dump_settings(kind()), **section}
    return completed


def differing(values: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Keys whose values are not the same for all runs.

    Args:
        values: settings by dotted key, for each run by name.

    Returns:
        ``{"key": ..., "values": {run: value}}`` for each, a missing value as None.
    """
    keys = sorted({key for each in values.values() for key in each})
    rows: list[dict[str, Any]] = [
        {"key": key, "values": {name: each.get(key) for name, each in values.items()}} for key in keys
    ]
    return [row for row in rows if len({json.dumps(item, sort_keys=True) for item in row["values"].values()}) > 1]


def split_common(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What all runs have in common, and where they differ."""
    rows = differing(values)
    keys = {row["key"] for row in rows}
    first = next(iter(values.values()))
    return {"common": {key: value for key, value in first.items() if key not in keys}, "differing": rows}


def objections(runs: Sequence[LoadedRun]) -> list[str]:
    """What forbids a comparison: settings that change what is measured, and runs that are not independent."""
    found = [_show(row) for row in differing({run.name: _fixed_settings(run) for run in runs})]
    seen: dict[str, str] = {}
    for run in runs:
        key = json.dumps([run.strategy_settings, run.settings.get("search.seed")], sort_keys=True)
        if key in seen:
            controller, seed = run.strategy_settings["name"], run.settings.get("search.seed")
            found.append(f"{seen[key]} and {run.name} are both {controller} with seed {seed}, not independent runs")
        seen.setdefault(key, run.name)
    return found


def group_runs(runs: Sequence[LoadedRun]) -> list[Strategy]:
    """Groups runs by controller and its settings; random search comes last, as what the others are held against."""
    groups: dict[str, list[LoadedRun]] = {}
    for run in runs:
        groups.setdefault(json.dumps(run.strategy_settings, sort_keys=True), []).append(run)
    settings = [members[0].strategy_settings for members in groups.values()]
    strategies = [
        Strategy(_strategy_name(own, settings), tuple(to_run(run) for run in members), own)
        for own, members in zip(settings, groups.values(), strict=True)
    ]
    return sorted(strategies, key=lambda strategy: (strategy.settings["name"] == "random", strategy.name))


def to_run(loaded: LoadedRun) -> Run:
    """The finished trials of a run as arrays."""
    outcomes = [record.outcome for record in loaded.records]
    accuracy = _column([outcome.accuracy if isinstance(outcome, Success) else np.nan for outcome in outcomes])
    successes = [outcome for outcome in outcomes if isinstance(outcome, Success)]
    test = None
    if all(TEST_METRIC in success.metrics for success in successes):
        test = _column(
            [outcome.metrics[TEST_METRIC] if isinstance(outcome, Success) else np.nan for outcome in outcomes]
        )
    return Run(
        loaded.name,
        accuracy,
        _column([outcome.train_seconds for outcome in outcomes]),
        test,
        reward=_rewards(loaded),
        fingerprints=[record.trial.architecture.fingerprint for record in loaded.records],
        statuses=[_status(record) for record in loaded.records],
    )


def _status(record: Record) -> str:
    outcome = record.outcome
    if isinstance(outcome, Success):
        return CACHED if outcome.cached else SUCCESS
    return outcome.kind


def _rewards(loaded: LoadedRun) -> FloatArray | None:
    """The rewards of the trials, or None where the reward is the accuracy."""
    name = loaded.settings.get("reward.name", "accuracy")
    if name == "accuracy":
        return None
    if name not in REWARDS:
        raise ValueError(f"the reward of {loaded.name} must be one of {', '.join(REWARDS)}, got {name!r:.100}")
    section = {
        key.removeprefix("reward."): value for key, value in loaded.settings.items() if key.startswith("reward.")
    }
    del section["name"]
    reward = validate_section("reward", section, REWARDS[name])
    outcomes = [record.outcome for record in loaded.records]
    return _column([reward(outcome) if isinstance(outcome, Success) else np.nan for outcome in outcomes])


def _column(values: list[float]) -> FloatArray:
    return np.array(values, dtype=float)


def _parse(value: Any) -> Description:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, dict) and "normal" in value:
        return Architecture.from_json(value)
    return _Opaque(value)


def _read_environment(path: Path) -> dict[str, Any]:
    """An environment that cannot be read is no reason to compare nothing."""
    try:
        value = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _fixed_settings(run: LoadedRun) -> dict[str, Any]:
    """The settings that change what is measured, and at what cost."""
    return {
        key: value
        for key, value in run.settings.items()
        if key not in FREE and key not in LEARNING and not key.startswith(FREE_SECTIONS)
    }


def _strategy_name(own: Mapping[str, Any], all_settings: Sequence[Mapping[str, Any]]) -> str:
    """The controller's name; the settings in which it differs from others of that name follow."""
    namesakes = [each for each in all_settings if each["name"] == own["name"]]
    keys = [row["key"] for row in differing({str(place): each for place, each in enumerate(namesakes)})]
    return ", ".join([str(own["name"]), *(f"{key}={json.dumps(own.get(key))}" for key in keys)])


def _show(row: Mapping[str, Any]) -> str:
    """A difference in one line: runs with the same value stand together."""
    groups: dict[str, list[str]] = {}
    for name, value in row["values"].items():
        groups.setdefault(json.dumps(value)[:100], []).append(name)
    return f"{row['key']} is " + ", ".join(f"{value} in {' and '.join(names)}" for value, names in groups.items())
