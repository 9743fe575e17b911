"""`nas segment --norms`: the same segmenter with several norms, at home and abroad.

So are IBN-Net's tables (1807.09441): trained on one set of street scenes, tested on it and on another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.comparison.statistics import CONFIDENCE, bootstrap_interval
from experiments.config.dense_config import SegmentationConfig
from experiments.config.kinds import SEGMENTATION
from experiments.config.resolve import ConfigRequest
from experiments.config.unknown_names import unknown_name
from experiments.downstream.inputs import BackboneRequest, resolve_dense
from experiments.downstream.segment import SegmentResult, read_images, segment_folder
from experiments.downstream.segment_domains import VALIDATION
from experiments.downstream.segment_figures import draw_norms
from experiments.runs.printing import say
from experiments.runs.run_folder import RunFolder, make_folder
from nas.architecture import Architecture, Cell
from nas.fidelity import NetworkSpec
from nas.files.atomic_write import write_text
from nas.models.build import Buildable
from nas.models.normalization import NORMALIZATIONS
from nas.models.resnet import ReferenceNetwork

TABLE_FILE = "norms"
ALL_SHIFTS, DROP = "mean of the shifts", "mean drop under the shifts"
_PLACEMENTS = {"bn": "", "ibn_a": "-ibn-a", "ibn_b": "-ibn-b"}


def with_norm(architecture: Buildable, spec: NetworkSpec, norm: str) -> Buildable:
    """The same backbone with another norm.

    Every block of cells gets it; where an architecture does not say in how many stages norms that remove appearance
    stand, it is all but the last, as in IBN-Net (section 3.2). Of residual networks there are the variants with IBN-a
    and IBN-b.

    Args:
        architecture: of the backbone.
        spec: the network around its cells.
        norm: a key of `NORMALIZATIONS`; for a residual network ``bn``, ``ibn_a`` or ``ibn_b``.

    Raises:
        ValueError: if there is no such norm.
    """
    if isinstance(architecture, ReferenceNetwork):
        if norm not in _PLACEMENTS:
            raise unknown_name("norm of a residual network", norm, list(_PLACEMENTS))
        return ReferenceNetwork(architecture.name.partition("-ibn")[0] + _PLACEMENTS[norm])
    if norm not in NORMALIZATIONS:
        raise unknown_name("norm", norm, list(NORMALIZATIONS))
    stages = architecture.appearance_stages
    return Architecture(
        _cell_with(architecture.normal, norm),
        _cell_with(architecture.reduction, norm),
        max(1, spec.num_stages - 1) if stages is None else stages,
    )


def run_norms(
    request: ConfigRequest,
    backbone: BackboneRequest,
    out: Path | None,
    console: Console,
    *,
    norms: Sequence[str],
    num_seeds: int,
) -> dict[str, Any]:
    """Trains with every norm and seed, and writes ``norms.json``, ``norms.md`` and ``norms.png``.

    Each training has its own folder, so that the same command resumes.

    Args:
        request: The configuration; seeds are counted from its seed.
        backbone: The backbone.
        out: The folder; None means ``runs/NAME_norms``.
        console: Where progress is shown.
        norms: Different norms, see `with_norm`; the others are compared with the first.
        num_seeds: Trainings with each norm.

    Returns:
        What ``norms.json`` holds, see `summarize`.

    Raises:
        ValueError: If the configuration or a norm is not valid, or a folder holds another run.
        RuntimeError: If a training fails.
    """
    if len(set(norms)) != len(norms) or not norms:
        raise ValueError(f"norms must be different from one another, got {', '.join(norms) or 'none'}")
    folder = RunFolder(out or request.default_folder.with_name(f"{request.default_folder.name}_norms"))
    document, architecture = resolve_dense(SEGMENTATION, request, backbone, folder)
    config = SegmentationConfig.parse(document, source=request.source)
    if config.segmentation.start is not None:
        raise ValueError("weights fit one norm only: with --norms the backbone is trained from scratch, see --scratch")
    chosen = {norm: with_norm(architecture, config.network, norm) for norm in norms}
    data = read_images(config, console)
    make_folder(folder.path)
    results: dict[str, list[SegmentResult]] = {norm: [] for norm in norms}
    with folder.lock():
        for seed in range(num_seeds):
            for norm, changed in chosen.items():
                path = folder.path / norm / f"seed-{seed}"
                say(console, str(path))
                results[norm].append(segment_folder(path, _with_seed(config, seed), changed, data, console))
        value = {"config": request.source, **summarize(results)}
        write_text(folder.path / f"{TABLE_FILE}.json", json.dumps(value, indent=2, allow_nan=False) + "\n")
        write_text(folder.path / f"{TABLE_FILE}.md", markdown_table(value))
        draw_norms(value, folder.path / f"{TABLE_FILE}.png")
    return value


def summarize(results: Mapping[str, Sequence[SegmentResult]]) -> dict[str, Any]:
    """Describes scores with intervals over seeds.

    Args:
        results: for each norm those of its trainings, in the order of their seeds.

    Returns:
        Plain data: ``domains``, the names of what was measured, and ``norms``: for each its ``mean_iou`` and
        ``pixel_accuracy`` by domain, `ALL_SHIFTS` and `DROP` (validation less the mean of the shifts) among them, and
        ``less_first``, seed by seed less that of the first norm; ``constant``, what the most frequent class gives.
    """
    first = next(iter(results.values()))
    tables = {
        norm: {key: _shares(each, key) for key in ("mean_iou", "pixel_accuracy")} for norm, each in results.items()
    }
    baseline = next(iter(tables.values()))["mean_iou"]
    norms = [
        {
            "name": norm,
            "mean_iou": {domain: _interval(values) for domain, values in table["mean_iou"].items()},
            "pixel_accuracy": {domain: _interval(values) for domain, values in table["pixel_accuracy"].items()},
            "less_first": {
                domain: _interval(values - baseline[domain]) for domain, values in table["mean_iou"].items()
            },
        }
        for norm, table in tables.items()
    ]
    domains = list(first[0].domains)
    return {
        "num_seeds": len(first),
        "confidence": CONFIDENCE,
        "num_parameters": {norm: each[0].result["num_parameters"] for norm, each in results.items()},
        "domains": domains,
        "looks": {domain: first[0].domains[domain]["look"] for domain in domains},
        "constant": {domain: first[0].domains[domain]["constant"] for domain in domains},
        "norms": norms,
    }


def markdown_table(value: Mapping[str, Any]) -> str:
    """The tables as Markdown: mean IoU, what it is less than that of the first norm, and the share of right pixels."""
    seeds, share = value["num_seeds"], f"{value['confidence']:.0%}"
    intervals = f"mean of {seeds} seeds with {share} intervals" if seeds > 1 else "one seed"
    first = value["norms"][0]["name"]
    parts = [f"Mean IoU in %, {intervals}:", _markdown(value, "mean_iou", constant=True)]
    if len(value["norms"]) > 1:
        parts += [f"Mean IoU less that of `{first}`, same seed, in points:", _markdown(value, "less_first")]
    parts += ["Pixels that are right, in %:", _markdown(value, "pixel_accuracy", constant=True)]
    return "\n\n".join(parts) + "\n"


def norms_table(value: Mapping[str, Any]) -> Table:
    """The mean IoU, for a terminal."""
    table = Table(title=f"mean IoU in %, {value['num_seeds']} seed(s) each")
    header, *rows = _rows(value, "mean_iou", constant=True)
    for name in header:
        table.add_column(name, justify="left" if name == "pictures" else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _rows(value: Mapping[str, Any], key: str, *, constant: bool = False) -> list[list[str]]:
    """A row for each domain, a column for each norm."""
    norms = [norm for norm in value["norms"] if key != "less_first" or norm is not value["norms"][0]]
    rows = [["pictures", *(norm["name"] for norm in norms), *(["most frequent class"] if constant else [])]]
    for domain in norms[0][key]:
        look = value["looks"].get(domain)
        shown = domain if look is None else f"{domain}, severity {look['severity']}"
        cells = [_text(norm[key][domain], sign="+" if key == "less_first" else "") for norm in norms]
        rows.append([shown, *cells])
        if constant:
            share = value["constant"].get(domain)
            rows[-1].append("" if share is None else f"{100 * share[key]:.1f}")
    return rows


def _markdown(value: Mapping[str, Any], key: str, *, constant: bool = False) -> str:
    lines = [f"| {' | '.join(row)} |" for row in _rows(value, key, constant=constant)]
    return "\n".join([lines[0], "|---" * (lines[0].count("|") - 1) + "|", *lines[1:]])


def _text(interval: Mapping[str, float | None], *, sign: str) -> str:
    shown = [_percent(interval[key], sign) for key in ("value", "low", "high")]
    return "{} ({} to {})".format(*shown) if shown[1] else shown[0]


def _percent(share: float | None, sign: str) -> str:
    """To a tenth, without a sign of minus before nothing."""
    return "" if share is None else f"{round(100 * share, 1) + 0.0:{sign}.1f}"


def _shares(results: Sequence[SegmentResult], key: str) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """By domain the score with each seed, and what follows for all shifts together."""
    domains = results[0].domains
    shares = {domain: np.array([result.domains[domain][key] for result in results]) for domain in domains}
    shifted = [values for domain, values in shares.items() if domains[domain]["look"] is not None]
    if shifted:
        together = np.mean(shifted, axis=0)
        shares |= {ALL_SHIFTS: together, DROP: shares[VALIDATION] - together}
    return shares


def _interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, Any]:
    described: dict[str, Any] = {"value": float(values.mean()), "low": None, "high": None, "values": values.tolist()}
    if len(values) > 1:  # of one nothing can be said
        found = bootstrap_interval(values, seed=0)
        described |= {"low": found.low, "high": found.high}
    return described


def _cell_with(cell: Cell, norm: str) -> Cell:
    return replace(cell, blocks=tuple(replace(block, norm=norm) for block in cell.blocks))


def _with_seed(config: SegmentationConfig, seed: int) -> SegmentationConfig:
    settings = replace(config.segmentation, seed=config.segmentation.seed + seed)
    return replace(config, segmentation=settings)
