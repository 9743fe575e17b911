"""Loads run folders for a comparison, checks that they are comparable, and groups them by controller."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.comparison.curves import CACHED, STOPPED, SUCCESS, Run, Strategy
from experiments.comparison.results import Difference, Settings
from experiments.comparison.statistics import FloatArray
from experiments.config.kinds import SEARCH
from experiments.config.named import stored_reward
from experiments.config.parsing.secrets import masked
from experiments.config.parsing.sections import dump_settings, flatten
from experiments.runs.data_record import DataRecord, read_data_record
from experiments.runs.run_folder import RunFolder, read_object
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.fronts import hypervolume, hypervolume_curve, reference_point
from nas.ledger.writer import read_ledger
from nas.objectives import Objectives
from nas.records import Record
from nas.rewards import Reward
from nas.trial import Success

LEARNING = ("search.failure_reward", "search.deterministic", "search.ordered_batch")
"""Settings that, with the sections ``controller`` and ``wrapper``, define a strategy."""
WORKERS = "workers.num_workers"
"""Setting that is part of the strategy too, unless runs with different numbers of workers are pooled."""
_POOL = ("address", "dashboard", "keep_weights", "max_retries", "min_workers", "num_workers", "pool", "recycle_after")
FREE = frozenset({"data.root", "search.seed", *(f"workers.{name}" for name in _POOL)})
"""Settings in which the runs may differ, since they do not affect any result."""
FREE_SECTIONS = ("controller.", "wrapper.", "trackers.", "workers.runtime_env.")
"""Prefixes of more such settings; controller and wrapper are part of the strategy itself."""
TEST_METRIC = "test_accuracy"
_MEASURED_BY: Mapping[str, type] = {"network": NetworkSpec, "recipe": TrainRecipe, "data": DataSpec}


@dataclass(frozen=True)
class LoadedRun:
    """A run folder in memory: settings without secrets, environment, and trials in the order of finishing.

    `data` is the record of its images; None for runs of version 0.1.0.
    """

    name: str
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    records: Sequence[Record]
    pool_workers: bool = False
    data: DataRecord | None = None

    @property
    def reward(self) -> Reward:
        """The reward that its controller maximized."""
        try:
            return stored_reward({"reward": self._section("reward")})
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    @property
    def objective_names(self) -> tuple[str, ...]:
        """The objectives of the front that it sought; empty if none."""
        return tuple(self.settings.get("objectives.names", ()))

    @property
    def strategy_settings(self) -> dict[str, Any]:
        """The settings that define its strategy, by dotted key: ``name`` of the controller and others."""
        learning = {key: self.settings[key] for key in LEARNING if key in self.settings}
        wrapper = {f"wrapper.{key}": value for key, value in self._section("wrapper").items()}
        return {"name": "unnamed", **self._section("controller"), **wrapper, **learning, **self._workers()}

    def _workers(self) -> dict[str, Any]:
        """Number of workers: late results change what a controller proposes, except in ordered batches."""
        if self.pool_workers or self.settings.get("search.deterministic") or WORKERS not in self.settings:
            return {}
        return {WORKERS: 1 if self.settings.get("workers.pool") == "serial" else self.settings[WORKERS]}

    def _section(self, name: str) -> dict[str, Any]:
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.settings.items() if key.startswith(prefix)}


@dataclass(frozen=True)
class FrontScale:
    """What the hypervolume of several runs is measured by.

    Attributes:
        reference: the reference point.
        total: hypervolume of all runs together.
    """

    objectives: Objectives
    reference: FloatArray
    total: float

    def curve(self, values: Sequence[tuple[float, ...] | None]) -> FloatArray:
        """The share of the total after each trial of a run."""
        return hypervolume_curve(values, self.reference) / self.total


def load_run(path: Path) -> LoadedRun:
    """Reads a run folder, whose run may still be in progress.

    Raises:
        ValueError: if it is not a run folder, its files are not valid, or it has no finished trial.
    """
    folder = RunFolder(path)
    document = folder.search_document()
    contents = read_ledger(folder.ledger)
    if not contents.finished:
        raise ValueError(f"{path} holds no finished trial: there is nothing to compare")
    environment = dict(flatten(read_object(folder.environment)))
    settings, data = dict(flatten(masked(_complete(document)))), read_data_record(path)
    if settings.get("evaluator.name") == "zero_cost":
        raise ValueError(f"runs must hold accuracies to be compared, but {path} is a search by scores without training")
    return LoadedRun(str(path), settings, environment, contents.finished, data=data)


def _complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the defaults of settings that were introduced after the run and affect its results."""
    former = {"evaluator": {"name": SEARCH.named["evaluator"]}, "wrapper": {"name": "none"}}
    completed = {**former, **document}
    for name, kind in _MEASURED_BY.items():
        if isinstance(section := document.get(name), Mapping):
            completed[name] = {**dump_settings(kind()), **section}
    return completed


def differing(values: Mapping[str, Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Finds the settings, by name of the run and dotted key, that are not the same for all runs."""
    keys = sorted({key for each in values.values() for key in each})
    rows = (Difference(key, {name: each.get(key) for name, each in values.items()}) for key in keys)
    return tuple(row for row in rows if len({json.dumps(item, sort_keys=True) for item in row.values.values()}) > 1)


def split_common(values: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Separates the settings that all runs share from those that differ."""
    rows = differing(values)
    keys = {row.key for row in rows}
    first = next(iter(values.values()))
    return Settings({key: value for key, value in first.items() if key not in keys}, rows)


def objections(runs: Sequence[LoadedRun]) -> list[str]:
    """Finds what makes runs incomparable: settings that affect the results, and runs that are not independent."""
    found = [_show(row) for row in differing({run.name: _fixed_settings(run) for run in runs})]
    seen: dict[str, str] = {}
    for run in runs:
        controller, seed = run.strategy_settings["name"], run.settings.get("search.seed")
        key = json.dumps([run.strategy_settings, seed], sort_keys=True)
        if key in seen:
            found.append(f"{seen[key]} and {run.name} both run {controller} with seed {seed} and are not independent")
        seen.setdefault(key, run.name)
    return found


def data_objections(runs: Sequence[LoadedRun]) -> list[str]:
    """Finds runs whose images differ from those of the first one, or changed between its sessions."""
    known = [(run, run.data) for run in runs if run.data is not None]
    changes = [(run.name, change) for run, data in known for change in data.changes]
    found = [f"the images changed while {name} ran ({'; '.join(change)})" for name, change in changes]
    for run, data in known[1:]:
        first, expected = known[0]
        if different := expected.identity.differences(data.identity):
            found.append(f"the images of {run.name} differ from those of {first.name} ({'; '.join(different)})")
    return found


def group_runs(runs: Sequence[LoadedRun]) -> list[Strategy]:
    """Groups runs by controller and its settings; random search, the baseline, comes last."""
    groups: dict[str, list[LoadedRun]] = {}
    for run in runs:
        groups.setdefault(json.dumps(run.strategy_settings, sort_keys=True), []).append(run)
    settings = [members[0].strategy_settings for members in groups.values()]
    scale = _front_scale(runs)
    strategies = [
        Strategy(_strategy_name(own, settings), tuple(to_run(each, scale) for each in members), own)
        for own, members in zip(settings, groups.values(), strict=True)
    ]
    return sorted(strategies, key=lambda strategy: (strategy.settings["name"] == "random", strategy.name))


def _front_scale(runs: Sequence[LoadedRun]) -> FrontScale | None:
    """What the hypervolume of runs is measured by, the union of their fronts; None unless all sought the same one."""
    names = {run.objective_names for run in runs}
    if len(names) != 1 or not (chosen := names.pop()):
        return None
    objectives = Objectives.of(chosen)
    found = [values for run in runs for values in _values(run, objectives) if values is not None]
    if not found:
        return None
    reference = reference_point(found)
    return FrontScale(objectives, reference, hypervolume(found, reference))


def _values(run: LoadedRun, objectives: Objectives) -> list[tuple[float, ...] | None]:
    outcomes = (record.outcome for record in run.records)
    return [objectives(each) if isinstance(each, Success) and each.stopped_after is None else None for each in outcomes]


def to_run(loaded: LoadedRun, scale: FrontScale | None = None) -> Run:
    """Converts the finished trials of a run to arrays; with a scale, also its hypervolume."""
    rewarded = loaded.settings.get("reward.name", "accuracy") != "accuracy"
    successes = [record.outcome for record in loaded.records if isinstance(record.outcome, Success)]
    tested = all(TEST_METRIC in success.metrics for success in successes if success.stopped_after is None)
    return Run(
        loaded.name,
        _column(loaded, lambda success: success.accuracy),
        np.array([record.outcome.train_seconds for record in loaded.records], dtype=float),
        _column(loaded, lambda success: success.metrics[TEST_METRIC]) if tested else None,
        reward=_column(loaded, loaded.reward) if rewarded else None,
        fingerprints=[record.fingerprint for record in loaded.records],
        statuses=[_status(record) for record in loaded.records],
        hypervolume=None if scale is None else scale.curve(_values(loaded, scale.objectives)),
    )


def _column(loaded: LoadedRun, value: Callable[[Success], float]) -> FloatArray:
    """A value of each trial; NaN for failures, and for trials that were stopped early, which do not compare."""
    column = []
    for record in loaded.records:
        outcome = record.outcome
        if isinstance(outcome, Success) and outcome.stopped_after is None:
            column.append(value(outcome))
        else:
            column.append(math.nan)
    return np.array(column, dtype=float)


def _status(record: Record) -> str:
    if isinstance(outcome := record.outcome, Success):
        if outcome.stopped_after is not None:
            return STOPPED
        return CACHED if outcome.cached else SUCCESS
    return outcome.kind


def _fixed_settings(run: LoadedRun) -> dict[str, Any]:
    """The settings that affect results and their cost."""
    return {
        key: value
        for key, value in run.settings.items()
        if key not in FREE and key not in LEARNING and not key.startswith(FREE_SECTIONS)
    }


def _strategy_name(own: Mapping[str, Any], all_settings: Sequence[Mapping[str, Any]]) -> str:
    """The controller's name, followed by the settings in which it differs from others of that name."""
    namesakes = [each for each in all_settings if each["name"] == own["name"]]
    keys = [row.key for row in differing({str(place): each for place, each in enumerate(namesakes)})]
    return ", ".join([str(own["name"]), *(f"{key}={json.dumps(own.get(key))}" for key in keys)])


def _show(row: Difference) -> str:
    """A difference in one line, runs grouped by value."""
    groups: dict[str, list[str]] = {}
    for name, value in row.values.items():
        groups.setdefault(json.dumps(value)[:100], []).append(name)
    return f"{row.key} is " + ", ".join(f"{value} in {' and '.join(names)}" for value, names in groups.items())
