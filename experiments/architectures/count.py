"""`nas count`: parameters, multiply-adds and activations of a network, beside those that papers report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.architectures.find import ArchitectureSource, NetworkOptions, network_spec
from experiments.runs.printing import say
from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.complexity import Complexity, StageCost, measure
from nas.models.presets import PRESETS, PUBLISHED_SIZES, format_stack, parse_stack
from nas.models.reference.names import library_name
from search_spaces.published import PUBLISHED


@dataclass(frozen=True, slots=True)
class PaperFigure:
    """What a paper reports of a network, as printed.

    Attributes:
        architecture: a key of `search_spaces.published.PUBLISHED`.
        preset: a key of `nas.models.presets.PRESETS`.
        stack: the stack in the papers' notation.
        image_size: height and width of the images in pixels.
        multiply_adds: None if not reported.
        error: as printed, or computed from the printed accuracy.
        source: paper and table.
    """

    architecture: str
    preset: str
    stack: str
    image_size: int
    parameters: str
    multiply_adds: str | None
    error: str
    source: str
    note: str | None = None


_A, _CIFAR, _MOBILE, _LARGE = "nasnet-a", "cifar10", "imagenet-mobile", "imagenet-large"
_TABLE_1, _TABLE_2, _TABLE_3 = (f"1707.07012, table {number}" for number in (1, 2, 3))
_ODD = f"{_TABLE_2}, printed as 5 @ 1538"
_UNKNOWN = "no published wiring reproduces these numbers"
FIGURES = (
    PaperFigure(_A, _CIFAR, "6@768", 32, "3.3M", None, "3.41 % on CIFAR-10", _TABLE_1),
    PaperFigure(_A, _CIFAR, "7@2304", 32, "27.6M", None, "2.97 % on CIFAR-10", _TABLE_1, _UNKNOWN),
    PaperFigure(_A, _MOBILE, "4@1056", 224, "5.3M", "564M", "26.0 % top-1 on ImageNet", _TABLE_3),
    PaperFigure(_A, _LARGE, "6@4032", 331, "88.9M", "23.8B", "17.3 % top-1 on ImageNet", _TABLE_2),
    PaperFigure(_A, _LARGE, "5@1536", 299, "10.9M", "2.35B", "21.4 % top-1 on ImageNet", _ODD, _UNKNOWN),
    PaperFigure(_A, _LARGE, "7@1920", 299, "22.6M", "4.93B", "19.2 % top-1 on ImageNet", _TABLE_2, _UNKNOWN),
    PaperFigure(
        "pnasnet-5", "pnasnet-large", "4@4320", 331, "86.1M", "25.0B", "17.1 % top-1 on ImageNet", "1712.00559"
    ),
    PaperFigure("amoebanet-a", _CIFAR, "6@576", 32, "3.2M", None, "3.34 % on CIFAR-10", "1802.01548"),
)
"""Networks and what the papers report of them."""


_FORMS = {
    "imagenet": "ImageNet form (a stem of stride 2, then a pool)",
    "cifar": "CIFAR form (a 3x3 stem of stride 1, without pool)",
}
"""What a stem of `NetworkSpec` means in a reference network."""

_LIBRARY_FORMS = {
    "imagenet": "the library's form",
    "cifar": "the library's form, but the first convolution has stride 1 if it had 2",
}
"""What it means in a network of a library."""


@dataclass(frozen=True, slots=True)
class NetworkCount:
    """The cost of one network.

    Attributes:
        architecture: name of the architecture.
        stack: in the papers' notation; None for a reference network, which has no cells.
        budget: what bounded the width of the network; None if nothing did.
        paper: what a paper reports of this network; None if there is no such paper.
    """

    architecture: str
    fingerprint: str
    spec: NetworkSpec
    stack: str | None
    complexity: Complexity
    budget: str | None
    paper: PaperFigure | None

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        stack = {name: getattr(self.spec, name) for name in ("num_repeats", "num_filters", "reduction_in_stage")}
        return {
            "architecture": self.architecture,
            "fingerprint": self.fingerprint,
            "image_size": self.spec.image_size,
            "num_classes": self.spec.num_classes,
            **({} if self.stack is None else {**stack, "stack": self.stack}),
            **asdict(self.complexity),
            "budget": self.budget,
            "paper": None if self.paper is None else asdict(self.paper),
        }


def count_architecture(source: ArchitectureSource, options: NetworkOptions) -> NetworkCount:
    """Counts the network that the options describe; raises ValueError if they are not possible."""
    return count_network(source, network_spec(source, options), budget=str(options.budget or ""))


def count_network(source: ArchitectureSource, spec: NetworkSpec, *, budget: str = "") -> NetworkCount:
    """Counts one network without allocating weights; `budget` names what bounded its width."""
    architecture = source.architecture
    return NetworkCount(
        architecture=source.name,
        fingerprint=architecture.fingerprint,
        spec=spec,
        stack=format_stack(spec, architecture) if isinstance(architecture, Architecture) else None,
        complexity=measure(architecture, spec),
        budget=budget or None,
        paper=find_figure(source, spec),
    )


def find_figure(source: ArchitectureSource, spec: NetworkSpec) -> PaperFigure | None:
    """Returns what a paper reports of this network; None if there is no such paper."""
    for figure in FIGURES:
        architecture = PUBLISHED[figure.architecture]
        if architecture.fingerprint == source.architecture.fingerprint:
            published = replace(PRESETS[figure.preset], image_size=figure.image_size)
            if parse_stack(figure.stack, published, architecture) == spec:
                return figure
    return None


def describe_network(source: ArchitectureSource, options: NetworkOptions) -> str:
    """Describes the size of a network briefly, for the title of a drawing."""
    value = count_architecture(source, options)
    stack = "" if value.stack is None else f"{value.stack}, "
    size = value.spec.image_size
    return (
        f"{stack}{value.complexity.num_parameters / 1e6:,.2f} M parameters, "
        f"{value.complexity.num_multiply_adds / 1e6:,.1f} M multiply-adds, {size} x {size} pixels"
    )


def network_line(value: NetworkCount) -> str:
    """Describes a network, its cost and what bounded its width in one line."""
    bound = f", {_bound(value)}" if value.budget else ""
    parameters, multiply_adds, _ = _cells(value.complexity)
    return f"{_heading(value)}: {parameters} parameters, {multiply_adds} multiply-adds{bound}"


def print_count(value: NetworkCount, console: Console) -> None:
    """Prints the cost of a network by stage, beside what a paper reports."""
    say(console, f"{value.architecture}: {_heading(value)}")
    table = Table("", "parameters", "multiply-adds", "activations", show_footer=True)
    for stage in value.complexity.stages:
        table.add_row(stage.name, *_cells(stage))
    for column, footer in zip(table.columns, ("total", *_cells(value.complexity)), strict=True):
        column.footer = footer
        column.justify = "left" if footer == "total" else "right"
    console.print(table)
    for line in _remarks(value):
        say(console, line)


def _heading(value: NetworkCount) -> str:
    """Stack, image size and classes."""
    spec = value.spec
    size = f"{spec.image_size} x {spec.image_size} pixels, {spec.num_classes} classes"
    if value.stack is None:
        is_ours = library_name(value.architecture) is None
        form = _FORMS[spec.stem] if is_ours else _LIBRARY_FORMS[spec.stem]
        return f"{form}, {size}"
    cells = f"cell{'s' * (spec.num_repeats != 1)} per stage"
    kinds = f"{cells} (the first a reduction from stage 2 on)" if spec.reduction_in_stage else f"normal {cells}"
    return f"{value.stack}, {spec.num_repeats} {kinds}, {spec.num_filters} filters, {size}"


def _bound(value: NetworkCount) -> str:
    return f"the widest network within {value.budget}"


def _cells(cost: Complexity | StageCost) -> tuple[str, str, str]:
    multiply_adds, activations = cost.num_multiply_adds / 1e6, cost.num_activations / 1e6
    return f"{cost.num_parameters:,}", f"{multiply_adds:,.1f} M", f"{activations:,.2f} M"


def _remarks(value: NetworkCount) -> list[str]:
    lines = [_bound(value)] if value.budget else []
    if auxiliary := value.complexity.auxiliary_num_parameters:
        lines.append(f"auxiliary head, used in training only: {auxiliary:,} more parameters")
    published = PUBLISHED_SIZES.get(value.architecture)
    if published is not None and published.spec == value.spec:
        lines.append(f"size: {published.source}")
    if paper := value.paper:
        costs = f", {paper.multiply_adds} multiply-adds" if paper.multiply_adds else ""
        lines.append(f"reported: {paper.parameters} parameters{costs}, {paper.error} ({paper.source})")
        if paper.note:
            lines.append(paper.note)
    return lines
