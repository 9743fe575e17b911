"""Evaluates trials by looking them up in a table of trained architectures, such as NAS-Bench-201.

A table file is CSV with column names in its first line and one architecture per line:

- ``arch``: name of the architecture, as in its JSON under ``arch``; or, without such a column, one column whose name
  begins with ``choice`` for each decision, with the name or number of the option;
- one or more columns whose names begin with ``valid``: accuracy on the validation split, in percent; a column in which
  no number exceeds 1 holds fractions and is refused;
- one or more columns whose names begin with ``test``: accuracy on the test split, in percent, only reported;
- a column whose name contains ``seconds``, or else ``time``: training time in seconds, reported as that of the trial;
- columns of validation accuracy after fewer epochs, for early stopping (`nas.rungs`), named on reading;
- optional ``params_m`` and ``flops_m``: parameters and multiply-adds in millions;
- columns of further metrics, such as latencies, named on reading. Other columns are ignored.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from io import TextIOWrapper
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from nas.files.guarded_read import open_regular
from nas.trial import Failure, Outcome, Success, Trial

_MAX_NUMBER = 1e300
_ONE_PERCENT = 0.01
_MAX_SECONDS = 1e12  # 30,000 years; adding seconds to more than this loses them to rounding

CHOICE_SEPARATOR = "|"
"""Between the options in the name of an architecture that is described by columns of decisions."""

TEST_ACCURACY = "test_accuracy"
"""Name of the metric with the test accuracy, between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurements of one architecture: accuracies between 0 and 1, training time in seconds, and size.

    `partial` holds validation accuracy and time of shorter trainings, by their epochs, `metrics` further numbers.
    """

    validation: float
    test: float
    seconds: float
    num_parameters: int = 0
    num_multiply_adds: int = 0
    partial: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(not (0 <= value <= 1 and 0 <= seconds <= _MAX_SECONDS) for value, seconds in self.partial.values()):
            raise ValueError(f"accuracies of shorter trainings must be between 0 and 1, got {dict(self.partial)}")
        for name, value in asdict(self).items():
            if name in ("partial", "metrics"):
                continue
            if name in ("validation", "test") and not 0 <= value <= 1:
                raise ValueError(f"{name} accuracy must be between 0 and 100 percent, got {100 * value:g}")
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and at least 0, got {value}")
        if self.seconds > _MAX_SECONDS:
            raise ValueError(f"seconds must be at most {_MAX_SECONDS:g}, got {self.seconds:g}")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns to read from a table file.

    None selects the last one with a suitable name. Losses, of which less is better, are no accuracies.
    """

    valid: str | None = None
    test: str | None = None
    seconds: str | None = None

    def resolve(self, header: Sequence[str]) -> Columns:
        """Fills in the names; raises ValueError if the header lacks one."""
        return Columns(
            _pick(self.valid, "valid", _accuracies(header, "valid")),
            _pick(self.test, "test", _accuracies(header, "test")),
            _pick(self.seconds, "seconds", _containing(header, "seconds") or _containing(header, "time")),
        )


class Table:
    """An evaluator: measurements by name of the architecture, in `rows`, as read from the `columns` of a file."""

    def __init__(self, rows: Mapping[str, Measurement], columns: Columns = Columns()) -> None:
        if not rows:
            raise ValueError("a table must hold at least one architecture")
        self.rows = MappingProxyType(dict(rows))
        self.columns = columns

    def __call__(self, trial: Trial) -> Outcome:
        """Looks up a trial; the outcome is a failure if the table lacks its architecture."""
        described = trial.architecture.to_json()
        name = described.get("arch") if isinstance(described, Mapping) else None
        row = self.rows.get(name) if isinstance(name, str) else None
        if row is None:
            return Failure(trial.id, "error", f"the table does not hold {described!r:.200}")
        sizes = row.num_parameters, row.num_multiply_adds
        if trial.until_epoch is None:
            metrics = {TEST_ACCURACY: row.test, **row.metrics}
            return Success(trial.id, row.validation, *sizes, row.seconds, metrics=metrics)
        if trial.until_epoch not in row.partial:
            known = ", ".join(map(str, row.partial)) or "none"
            return Failure(trial.id, "error", f"the table has epochs {known} before the end, not {trial.until_epoch}")
        return Success(trial.id, row.partial[trial.until_epoch][0], *sizes, row.partial[trial.until_epoch][1])


def read_table(
    path: Path,
    columns: Columns = Columns(),
    *,
    rungs: Mapping[int, str] = MappingProxyType({}),
    epochs: int = 200,
    metrics: Sequence[str] = (),
) -> Table:
    """Reads a table file, in the format described at the top of this module.

    Args:
        path: the file.
        columns: columns of the complete trainings.
        rungs: columns of validation accuracy after fewer epochs. Each is a training of its own, which takes its share
            of the seconds of the complete one.
        epochs: epochs of the complete trainings.
        metrics: columns of further metrics.

    Raises:
        ValueError: if the file is not valid; the message names the line.
        OSError: if the file cannot be read.
    """
    with TextIOWrapper(open_regular(path), "utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
        reader = csv.DictReader(file, strict=True, skipinitialspace=True)
        try:
            header = _header(reader)
            columns = columns.resolve(header)
            shares = {epoch: (_pick(name, f"rung {epoch}", header), epoch / epochs) for epoch, name in rungs.items()}
            picked = [_pick(name, "an objective", header) for name in metrics]
            return Table(_rows(reader, columns, shares, picked), columns)
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {max(reader.line_num, 1)}: {error}") from None


def _header(reader: csv.DictReader[str]) -> list[str]:
    header = [name for name in reader.fieldnames or () if name]
    if twice := {name for name in header if header.count(name) > 1}:
        raise ValueError(f"column names must be unique, got {', '.join(sorted(twice)):.200} more than once")
    if not _name_columns(header):
        came = ", ".join(header)[:200] or "nothing"
        raise ValueError(f"the first line must name a column arch, or columns choice..., got {came}")
    return header


def _name_columns(header: Sequence[str]) -> list[str]:
    """The columns that name an architecture."""
    return ["arch"] if "arch" in header else [name for name in header if name.startswith("choice")]


def _name(line: Mapping[str, str | None], columns: Sequence[str]) -> str:
    parts = [(line[column] or "").strip() for column in columns]
    if columns != ["arch"]:
        for column, part in zip(columns, parts, strict=True):
            if not part or CHOICE_SEPARATOR in part or set(part) & set("{}"):
                raise ValueError(f"{column} must be the name of an option without any of | {{ }}, got {part!r:.100}")
    return CHOICE_SEPARATOR.join(parts)


def _containing(header: Sequence[str], part: str) -> list[str]:
    return [name for name in header if part in name]


def _accuracies(header: Sequence[str], role: str) -> list[str]:
    return [name for name in header if name.startswith(role) and "loss" not in name]


def _rows(
    reader: csv.DictReader[str],
    columns: Columns,
    rungs: Mapping[int, tuple[str, float]],
    metrics: Sequence[str],
) -> dict[str, Measurement]:
    rows: dict[str, Measurement] = {}
    for name, line in _named_lines(reader):
        validation, test, seconds = (_number(line, str(column)) for column in asdict(columns).values())
        params, flops = (_number(line, column) if column in line else 0.0 for column in ("params_m", "flops_m"))
        sizes = round(1e6 * params), round(1e6 * flops)
        partial = {epoch: (_number(line, column) / 100, share * seconds) for epoch, (column, share) in rungs.items()}
        further = {column: _number(line, column) for column in metrics}
        rows[name] = Measurement(validation / 100, test / 100, seconds, *sizes, partial, further)
    check_percent(str(columns.valid), [row.validation for row in rows.values()])
    check_percent(str(columns.test), [row.test for row in rows.values()])
    for epoch, (column, _) in rungs.items():
        check_percent(column, [row.partial[epoch][0] for row in rows.values()])
    return rows


def _named_lines(reader: csv.DictReader[str]) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    """Yields lines with the names of their architectures; ValueError for a repeated name or a value too many."""
    named_by, seen = _name_columns(reader.fieldnames or ()), set[str]()
    for line in reader:
        if any(each.strip() for each in line.pop(None, ())):
            raise ValueError(
                f"a line must have at most {len(line)} values, one for each column (decimals have a point)"
            )
        name = _name(line, named_by)
        if not name or name in seen:
            raise ValueError(f"each line must name a different architecture, got {name!r:.200}")
        seen.add(name)
        yield name, line


def check_percent(column: str, accuracies: Sequence[float]) -> None:
    """Raises ValueError if all accuracies, as shares of 1, are so small that percent was written for fractions."""
    if 0 < (highest := max(accuracies, default=0.0)) <= _ONE_PERCENT:
        raise ValueError(
            f"{column} must be in percent, but no number in it exceeds {100 * highest:g}: 0.9 is 90 percent"
        )


def add_metrics(table: Table, path: Path, metrics: Sequence[str]) -> Table:
    """Adds further metrics of all architectures of a table from another file with a column ``arch``.

    Raises:
        ValueError: if the file is not valid, or lacks a column or an architecture.
        OSError: if the file cannot be read.
    """
    found = {}
    with TextIOWrapper(open_regular(path), "utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True, skipinitialspace=True)
        try:
            header = _header(reader)
            picked = [_pick(name, "an objective", header) for name in metrics]
            for name, line in _named_lines(reader):
                found[name] = {column: _number(line, column) for column in picked}
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {max(reader.line_num, 1)}: {error}") from None
    if missing := table.rows.keys() - found.keys():
        raise ValueError(f"{path} must hold every architecture of the table, {min(missing)!r:.100} is missing")
    rows = {name: replace(row, metrics={**row.metrics, **found[name]}) for name, row in table.rows.items()}
    return Table(rows, table.columns)


class _NatsBench(Protocol):
    """The part of ``nats_bench.create(...)`` that `read_nats_bench` needs."""

    def __len__(self) -> int: ...

    def arch(self, index: int) -> str: ...

    def get_more_info(self, index: int, dataset: str, *, hp: str, is_random: bool) -> Mapping[str, float]: ...


def read_nats_bench(api: _NatsBench, dataset: str = "cifar10-valid", *, epochs: int = 200) -> Table:
    """Reads the official benchmark through the package ``nats_bench``; raises ValueError if it lacks the accuracies.

    Args:
        api: the value of ``nats_bench.create(path, "tss")``.
        dataset: ``cifar10-valid``, ``cifar100`` or ``ImageNet16-120``, those with a validation accuracy.
        epochs: epochs of training, 12 or 200.
    """
    rows = {}
    for index in range(len(api)):
        info = api.get_more_info(index, dataset, hp=f"{epochs:02d}", is_random=False)
        if missing := [key for key in ("valid-accuracy", "test-accuracy", "train-all-time") if key not in info]:
            raise ValueError(f"{dataset} must hold {', '.join(missing)}; cifar10-valid, cifar100, ImageNet16-120 do")
        validation, test = info["valid-accuracy"] / 100, info["test-accuracy"] / 100
        rows[api.arch(index)] = Measurement(validation, test, info["train-all-time"])
    return Table(rows)


def _pick(wanted: str | None, role: str, found: list[str]) -> str:
    if wanted is None and found:
        return found[-1]
    if wanted is None or wanted not in found:
        name, came = wanted or f"{role}...", ", ".join(found) or "none"
        raise ValueError(f"there must be a column {name} for {role}, got {came}")
    return wanted


def _number(line: Mapping[str, str | None], name: str) -> float:
    text = line[name]
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not abs(number) <= _MAX_NUMBER:  # nor nan
        raise ValueError(f"{name} must be a finite number, got {text!r:.100}")
    return number
