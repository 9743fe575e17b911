"""`nas latency build`: a table of the latencies of a space's operations, checked on other random networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from scipy import stats

from controllers.random_search import RandomSearch
from experiments.config.parsing.unknown_names import unknown_name
from experiments.config.search_config import SPACES
from nas.fidelity import NetworkSpec
from nas.latency.backends import check_backend
from nas.latency.measure import measure_latency
from nas.latency.operations import OperationTable
from nas.latency.parts import parts_of
from nas.latency.settings import LatencySettings
from nas.models.reference.descriptions import Buildable

_PART_SECONDS = 0.5
_PATIENCE = 30
"""Random networks without a new part after which no more are looked at."""


@dataclass(frozen=True, slots=True)
class TableRequest:
    """A table to build.

    Attributes:
        space: name of the search space.
        settings: network and conditions.
        samples: random networks whose parts are measured.
        check: other random networks on which the table is checked.
        seed: of the random networks.
    """

    space: str
    settings: LatencySettings
    samples: int
    check: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.check < 2:
            raise ValueError(f"samples must be at least 1 and check at least 2, got {self.samples} and {self.check}")
        if self.space not in SPACES:
            raise unknown_name("space", self.space, SPACES)

    def network(self, architecture: Buildable) -> NetworkSpec:
        """The network that is measured."""
        return self.settings.network(architecture, NetworkSpec())

    def architectures(self, number: int, stream: int) -> Iterator[Buildable]:
        """Random architectures of the space."""
        space: Any = SPACES[self.space].space
        controller = RandomSearch(space.choices, seed=self.seed + stream)
        return (space.decode(rollout.decisions) for rollout in controller.ask(range(number)))


def build_table(request: TableRequest, out: Path, console: Console) -> dict[str, Any]:
    """Measures the parts of random networks, then whole ones, writes the table, and returns the report.

    Parts that are run alone are faster or slower by a factor that networks have in common. So the latencies in the
    table are divided by the median ratio of their sum to the latency of a network, which changes no rank.

    Raises:
        ValueError: if the network is not possible, or the table cannot be a file at `out`.
        RuntimeError: if the backend cannot be used here.
    """
    if out.suffix != ".json" or out.is_dir() or not out.absolute().parent.is_dir():  # before minutes of measuring
        raise ValueError(f"the table must be a .json file in a folder that exists, got {str(out)!r:.200}")
    check_backend(request.settings.backend)
    checked = list(request.architectures(request.check, 1))
    shown = Progress(console=console, disable=not console.is_terminal)
    with shown:
        task = shown.add_task("operations")
        quick = replace(request.settings, precision=0.02, max_seconds=_PART_SECONDS)
        networks = [*_until_known(request), *((each, request.network(each)) for each in checked)]
        table = OperationTable.build(
            networks, quick, lambda place, total: shown.update(task, completed=place, total=total)
        )
        task = shown.add_task("networks", total=len(checked))
        pairs = []
        for each in checked:
            measured = measure_latency(each, NetworkSpec(), request.settings)
            pairs.append((table.predict(each, request.network(each)), measured.median_ms))
            shown.advance(task)
    report = _report(pairs, len(table.entries))
    corrected = {name: value / report["median_ratio"] for name, value in table.entries.items()}
    replace(table, entries=corrected).write(out, report)
    return report


def _until_known(request: TableRequest) -> Iterator[tuple[Buildable, NetworkSpec]]:
    """Random networks until many in a row have no new part."""
    known: set[str] = set()
    without = 0
    for architecture in request.architectures(request.samples, 0):
        spec = request.network(architecture)
        names = set(parts_of(architecture, spec, request.settings.batch))
        without = 0 if names - known else without + 1
        known |= names
        yield architecture, spec
        if without == _PATIENCE:
            return


def _report(pairs: list[tuple[float, float]], num_entries: int) -> dict[str, Any]:
    predicted, measured = zip(*pairs, strict=True)
    ratios = sorted(first / second for first, second in pairs)
    return {
        "num_entries": num_entries,
        "num_networks": len(pairs),
        "kendall_tau": float(stats.kendalltau(predicted, measured).statistic),
        "median_ratio": ratios[len(ratios) // 2],
        "fastest_ms": min(measured),
        "slowest_ms": max(measured),
    }


def report_line(report: dict[str, Any]) -> str:
    """The report in one line."""
    return (
        f"{report['num_entries']} operations; on {report['num_networks']} networks of {report['fastest_ms']:.2f} to "
        f"{report['slowest_ms']:.2f} ms, Kendall's tau of predicted and measured latency is "
        f"{report['kendall_tau']:.3f}; their parts take {report['median_ratio']:.2f} of their time, which is corrected"
    )
