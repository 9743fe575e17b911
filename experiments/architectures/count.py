"""`nas count`: parameters, multiply-adds and activations of a network, beside the figures of the papers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.architectures.find import ArchitectureSource, NetworkOptions, network_spec
from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.complexity import measure
from nas.models.presets import PRESETS, format_stack, parse_stack
from search_spaces.published import PUBLISHED


@dataclass(frozen=True, slots=True)
class PaperFigure:
    """What a paper prints of a network.

    Attributes:
        architecture: a key of `search_spaces.published.PUBLISHED`.
        preset: a key of `nas.models.presets.PRESETS`.
        stack: the stack in the papers' notation.
        image_size: height and width of the images in pixels.
        parameters: as printed.
        multiply_adds: as printed; None where it is not.
        error: the error beside it, as printed or from the accuracy that is printed.
        source: paper and table.
        note: what else must be known of it.
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


_UNKNOWN = "no published wiring gives the paper's figures for this network"
FIGURES = (
    PaperFigure("nasnet-a", "cifar10", "6@768", 32, "3.3M", None, "3.41 % on CIFAR-10", "1707.07012, table 1"),
    PaperFigure(
        "nasnet-a", "cifar10", "7@2304", 32, "27.6M", None, "2.97 % on CIFAR-10", "1707.07012, table 1", _UNKNOWN
    ),
    PaperFigure(
        "nasnet-a", "imagenet-mobile", "4@1056", 224, "5.3M", "564M", "26.0 % top-1 on ImageNet", "1707.07012, table 3"
    ),
    PaperFigure(
        "nasnet-a", "imagenet-large", "6@4032", 331, "88.9M", "23.8B", "17.3 % top-1 on ImageNet", "1707.07012, table 2"
    ),
    PaperFigure(
        "nasnet-a",
        "imagenet-large",
        "5@1536",
        299,
        "10.9M",
        "2.35B",
        "21.4 % top-1 on ImageNet",
        "1707.07012, table 2, where it is 5 @ 1538",
        _UNKNOWN,
    ),
    PaperFigure(
        "nasnet-a",
        "imagenet-large",
        "7@1920",
        299,
        "22.6M",
        "4.93B",
        "19.2 % top-1 on ImageNet",
        "1707.07012, table 2",
        _UNKNOWN,
    ),
)
"""Figures of the papers, and of which networks they are."""


def count_architecture(source: ArchitectureSource, options: NetworkOptions) -> dict[str, Any]:
    """Counts without allocating any weights; returns plain data for JSON.

    Raises:
        ValueError: if preset, stack or sizes are not possible.
    """
    budget = options.budget
    return count_network(source, network_spec(source, options), budget="" if budget is None else str(budget))


def count_network(source: ArchitectureSource, spec: NetworkSpec, *, budget: str = "") -> dict[str, Any]:
    """Counts one network; `budget` tells what bounded its width. Returns plain data for JSON."""
    complexity = measure(source.architecture, spec)
    figure = find_figure(source, spec)
    stack: dict[str, Any] = {}
    if isinstance(source.architecture, Architecture):
        stack = {name: getattr(spec, name) for name in ("num_repeats", "num_filters", "reduction_in_stage")}
        stack["stack"] = format_stack(spec, source.architecture)
    return {
        "architecture": source.name,
        "fingerprint": source.architecture.fingerprint,
        "image_size": spec.image_size,
        "num_classes": spec.num_classes,
        **stack,
        **asdict(complexity),
        "budget": budget or None,
        "paper": None if figure is None else asdict(figure),
    }


def find_figure(source: ArchitectureSource, spec: NetworkSpec) -> PaperFigure | None:
    """The figure of a paper for this network, if there is one."""
    for figure in FIGURES:
        architecture = PUBLISHED[figure.architecture]
        if architecture.fingerprint == source.architecture.fingerprint:
            published = replace(PRESETS[figure.preset], image_size=figure.image_size)
            if parse_stack(figure.stack, published, architecture) == spec:
                return figure
    return None


def describe_network(source: ArchitectureSource, options: NetworkOptions) -> str:
    """The size of a network in a few words."""
    value = count_architecture(source, options)
    stack = f"{value['stack']}, " if "stack" in value else ""
    return (
        f"{stack}{value['num_parameters'] / 1e6:,.2f} M parameters, {value['num_multiply_adds'] / 1e6:,.1f} M "
        f"multiply-adds, {value['image_size']} x {value['image_size']} pixels"
    )


def network_line(value: dict[str, Any]) -> str:
    """What `count_network` gave in one line, and what set the width."""
    bound = f", as wide as {value['budget']} allow" if value["budget"] else ""
    return (
        f"{_heading(value)}: {value['num_parameters']:,} parameters, {value['num_multiply_adds'] / 1e6:,.1f} M "
        f"multiply-adds{bound}"
    )


def print_count(value: dict[str, Any], console: Console) -> None:
    """Prints what `count_architecture` gave for a person."""
    title = f"{value['architecture']}: {_heading(value)}"
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    table = Table("", "parameters", "multiply-adds", "activations", show_footer=True)
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in value["stages"]:
        table.add_row(stage["name"], *_cells(stage))
    table.columns[0].footer = "total"
    for column, cell in zip(table.columns[1:], _cells(value), strict=True):
        column.footer = cell
    console.print(table)
    for line in _remarks(value):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _heading(value: dict[str, Any]) -> str:
    """Stack, images and classes; a reference network has no stack, since it is not made of cells."""
    size = f"{value['image_size']} x {value['image_size']} pixels, {value['num_classes']} classes"
    if "stack" not in value:
        return size
    number = value["num_repeats"]
    cells = f"cell{'s' * (number != 1)} a stage"
    kinds = f"{cells} (the first a reduction from stage 2 on)" if value["reduction_in_stage"] else f"normal {cells}"
    return f"{value['stack']}, {number} {kinds}, {value['num_filters']} filters, {size}"


def _cells(counts: dict[str, Any]) -> tuple[str, str, str]:
    multiply_adds, activations = counts["num_multiply_adds"] / 1e6, counts["num_activations"] / 1e6
    return f"{counts['num_parameters']:,}", f"{multiply_adds:,.1f} M", f"{activations:,.2f} M"


def _remarks(value: dict[str, Any]) -> list[str]:
    lines = [f"as wide as {value['budget']} allow"] if value["budget"] else []
    if value["auxiliary_num_parameters"]:
        lines.append(f"auxiliary head, for training only: {value['auxiliary_num_parameters']:,} parameters more")
    if paper := value["paper"]:
        costs = f", {paper['multiply_adds']} multiply-adds" if paper["multiply_adds"] else ""
        lines.append(f"the paper: {paper['parameters']} parameters{costs}, {paper['error']} ({paper['source']})")
        if paper["note"]:
            lines.append(paper["note"])
    return lines
