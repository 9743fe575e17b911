"""Measuring by looking up: tables of architectures that others have trained, such as NAS-Bench-201.

A table file is CSV with names in its first line and one architecture a line after that:

- ``arch``: the architecture's name, as its description's JSON gives it under ``arch``;
- one or more columns whose names begin with ``valid``: accuracy on the validation split, in percent;
- one or more columns whose names begin with ``test``: accuracy on the test split, in percent, only reported;
- one column whose name contains ``seconds``: what training took, charged to a trial;
- ``params_m`` and ``flops_m``, if there: parameters and multiply-adds in millions. Other columns are ignored.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from nas.trial import Failure, Outcome, Success, Trial

_MAX_NUMBER = 1e300
_MOST_SECONDS = 1e12  # 30,000 years; sums of more lose the small ones

TEST_ACCURACY = "test_accuracy"
"""Name of the metric that holds the test accuracy, between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a table says of one architecture: accuracies between 0 and 1, and the seconds that training took."""

    validation: float
    test: float
    seconds: float
    num_parameters: int = 0
    num_multiply_adds: int = 0

    def __post_init__(self) -> None:
        for name, value in (("validation", self.validation), ("test", self.test)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} accuracy must be between 0 and 100 percent, got {100 * value:g}")
        for name in ("seconds", "num_parameters", "num_multiply_adds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and at least 0, got {value}")
        if self.seconds > _MOST_SECONDS:
            raise ValueError(f"seconds must be at most {_MOST_SECONDS:g}, got {self.seconds:g}")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table file are read; None stands for the last one that the file's format allows.

    Attributes:
        valid: the accuracy that a search sees.
        test: the accuracy that is only reported.
        seconds: the time charged.
    """

    valid: str | None = None
    test: str | None = None
    seconds: str | None = None

    def resolve(self, header: Sequence[str]) -> Columns:
        """The columns by name; raises ValueError if the header has none such."""
        return Columns(
            _pick(self.valid, "valid", [name for name in header if name.startswith("valid")]),
            _pick(self.test, "test", [name for name in header if name.startswith("test")]),
            _pick(self.seconds, "seconds", [name for name in header if "seconds" in name]),
        )


class Table:
    """Measurements by the name of the architecture; calling it with a trial gives that trial's outcome.

    Attributes:
        rows: the measurements.
        columns: where they were read from.
    """

    def __init__(self, rows: Mapping[str, Measurement], columns: Columns = Columns()) -> None:
        if not rows:
            raise ValueError("a table must hold at least one architecture")
        self.rows = MappingProxyType(dict(rows))
        self.columns = columns

    def __call__(self, trial: Trial) -> Outcome:
        """Looks a trial up; an architecture that the table does not hold is a failure."""
        described = trial.architecture.to_json()
        name = described.get("arch") if isinstance(described, Mapping) else None
        row = self.rows.get(name) if isinstance(name, str) else None
        if row is None:
            return Failure(trial.id, "error", f"the table does not hold {described!r:.200}")
        return Success(
            trial.id,
            row.validation,
            num_parameters=row.num_parameters,
            num_multiply_adds=row.num_multiply_adds,
            train_seconds=row.seconds,
            metrics={TEST_ACCURACY: row.test},
        )


def read_table(path: Path, columns: Columns = Columns()) -> Table:
    """Reads a table file; its format is described at the top of this module.

    Raises:
        ValueError: if a column is missing, a number is not one or out of its range, or an architecture comes twice; the
            message names the file and the line.
        OSError: if the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a mark at the beginning
        reader = csv.DictReader(file, strict=True, skipinitialspace=True)
        try:
            columns = columns.resolve(_header(reader))
            return Table(_rows(reader, columns), columns)
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {max(reader.line_num, 1)}: {error}") from None


def _header(reader: csv.DictReader[str]) -> list[str]:
    header = [name for name in reader.fieldnames or () if name]
    if twice := {name for name in header if header.count(name) > 1}:
        raise ValueError(f"columns must have different names, got {', '.join(sorted(twice)):.200} more than once")
    if "arch" not in header:
        raise ValueError(f"the first line must name a column arch, got {', '.join(header)[:200] or 'nothing'}")
    return header


def _rows(reader: csv.DictReader[str], columns: Columns) -> dict[str, Measurement]:
    rows: dict[str, Measurement] = {}
    for line in reader:
        name = line["arch"]
        if not name or name in rows:
            raise ValueError(f"each line must name another architecture, got {name!r:.200}")
        rows[name] = _measurement(line, columns)
    return rows


class NatsBench(Protocol):
    """The part of ``nats_bench.create(...)`` that `read_nats_bench` needs."""

    def __len__(self) -> int:
        """How many architectures there are."""
        ...

    def arch(self, index: int) -> str:
        """The name of one."""
        ...

    def get_more_info(self, index: int, dataset: str, *, hp: str, is_random: bool) -> Mapping[str, float]:
        """Its measurements, accuracies in percent."""
        ...


def read_nats_bench(api: NatsBench, dataset: str = "cifar10-valid", *, epochs: int = 200) -> Table:
    """Reads the official benchmark through its own package, ``nats_bench``.

    Args:
        api: what ``nats_bench.create(path, "tss")`` returns.
        dataset: ``cifar10-valid``, ``cifar100`` or ``ImageNet16-120``, those with a validation accuracy.
        epochs: 12 or 200, how long the networks were trained.

    Raises:
        ValueError: if the benchmark holds no validation or test accuracy for that.
    """
    rows = {}
    for index in range(len(api)):
        info = api.get_more_info(index, dataset, hp=f"{epochs:02d}", is_random=False)
        missing = [key for key in ("valid-accuracy", "test-accuracy", "train-all-time") if key not in info]
        if missing:
            raise ValueError(f"{dataset} must hold {', '.join(missing)}; cifar10-valid, cifar100, ImageNet16-120 do")
        rows[api.arch(index)] = Measurement(
            info["valid-accuracy"] / 100, info["test-accuracy"] / 100, info["train-all-time"]
        )
    return Table(rows)


def _pick(wanted: str | None, role: str, found: list[str]) -> str:
    if wanted is None and found:
        return found[-1]
    if wanted is None or wanted not in found:
        raise ValueError(
            f"there must be a column {wanted or role + '...'} for {role}, got {', '.join(found) or 'none of that kind'}"
        )
    return wanted


def _measurement(line: Mapping[str, str | None], columns: Columns) -> Measurement:
    validation, test, seconds = (_number(line, str(name)) for name in (columns.valid, columns.test, columns.seconds))
    params, flops = (_number(line, name) if name in line else 0.0 for name in ("params_m", "flops_m"))
    return Measurement(validation / 100, test / 100, seconds, round(1e6 * params), round(1e6 * flops))


def _number(line: Mapping[str, str | None], name: str) -> float:
    text = line[name]
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not abs(number) <= _MAX_NUMBER:  # nor nan
        raise ValueError(f"{name} must be a finite number, got {text!r:.100}")
    return number
