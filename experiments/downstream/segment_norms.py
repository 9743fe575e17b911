"""`nas segment --norms`: compares norms in a segmenter, in-domain and under distribution shift.

This follows IBN-Net's tables (1807.09441): trained on one set of street scenes, tested on it and on another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.comparison.formatting import interval_text, number, plural
from experiments.comparison.statistics import FloatArray, bootstrap_interval
from experiments.comparison.tables import markdown_table, terminal_table
from experiments.config.dense_config import SegmentationConfig
from experiments.config.kinds import SEGMENTATION
from experiments.config.parsing.unknown_names import unknown_name
from experiments.config.resolve import ConfigRequest
from experiments.downstream.inputs import BackboneRequest, resolve_dense
from experiments.downstream.norm_results import ALL_SHIFTS, DROP, NormScores, NormStudy, SeedInterval
from experiments.downstream.segment import SegmentResult, read_images, segment_folder
from experiments.downstream.segment_domains import VALIDATION
from experiments.downstream.segment_figures import draw_norms
from experiments.runs.printing import say
from experiments.runs.run_folder import RunFolder
from nas.architecture import Architecture, Cell
from nas.fidelity import NetworkSpec
from nas.files.atomic_write import write_text
from nas.files.storage import make_folder
from nas.models.normalization import NORMALIZATIONS
from nas.models.reference.descriptions import Buildable
from nas.models.reference.names import ReferenceNetwork

TABLE_FILE = "norms"
_EVERYWHERE: tuple[Literal["gn", "syncbn"], ...] = ("gn", "syncbn")
_PLACEMENTS = {"bn": "", "ibn_a": "-ibn-a", "ibn_b": "-ibn-b"}


def with_norm(architecture: Buildable, config: SegmentationConfig, norm: str) -> tuple[Buildable, SegmentationConfig]:
    """Replaces the norm of a segmenter; returns the architecture of its backbone and the configuration.

    ``gn`` and ``syncbn`` replace batch normalization everywhere: in the stem and between the cells, see
    `nas.fidelity.NetworkSpec.norm`, and in the heads. Other norms are placed by the architecture, in every block of the
    cells (a key of `NORMALIZATIONS`) or as IBN-Net places them in a reference network, and leave the heads as they are.
    If the cells do not set the number of stages with norms that remove appearance, it is all but the last, as in
    IBN-Net (section 3.2). Raises ValueError if there is no such norm.
    """
    everywhere = next((each for each in _EVERYWHERE if each == norm), None)
    if everywhere is not None:
        plain = _place(architecture, config.network, "bn")
        network, head = replace(config.network, norm=everywhere), replace(config.head, norm=everywhere)
        return plain, replace(config, network=network, head=head)
    if norm == "frozen_bn":
        raise ValueError("with --norms frozen_bn is not possible: it needs the statistics of a trained backbone")
    network = replace(config.network, norm="bn")
    return _place(architecture, network, norm), replace(config, network=network)


def _place(architecture: Buildable, spec: NetworkSpec, norm: str) -> Buildable:
    if isinstance(architecture, ReferenceNetwork):
        if norm not in _PLACEMENTS:
            raise unknown_name("norm of a reference network", norm, [*_PLACEMENTS, *_EVERYWHERE])
        return ReferenceNetwork(architecture.name.partition("-ibn")[0] + _PLACEMENTS[norm])
    if norm not in NORMALIZATIONS:
        raise unknown_name("norm", norm, list(NORMALIZATIONS))
    if isinstance(architecture, Architecture):
        stages = architecture.appearance_stages
        return Architecture(
            _cell_with(architecture.normal, norm),
            _cell_with(architecture.reduction, norm),
            max(1, spec.num_stages - 1) if stages is None else stages,
        )
    if norm != "bn":
        raise unknown_name("norm of cells with operations on edges", norm, ["bn", *_EVERYWHERE])
    return architecture


def run_norms(
    request: ConfigRequest,
    backbone: BackboneRequest,
    out: Path | None,
    console: Console,
    *,
    norms: Sequence[str],
    num_seeds: int,
) -> NormStudy:
    """Trains with every norm and seed, and writes ``norms.json``, ``norms.md`` and ``norms.png``.

    Each training has its own folder, so that the same command resumes. Norms, see `with_norm`, are compared with the
    first; seeds are counted from that of the configuration. The folder is by default ``runs/NAME_norms``.

    Raises:
        ValueError: If the configuration or a norm is not valid, or a folder holds another run.
        RuntimeError: If a training fails.
    """
    if len(set(norms)) != len(norms) or not norms:
        raise ValueError(f"norms must be one or more, all distinct, got {', '.join(norms) or 'none'}")
    folder = RunFolder(out or request.default_folder.with_name(f"{request.default_folder.name}_norms"))
    document, architecture = resolve_dense(SEGMENTATION, request, backbone, folder)
    config = SegmentationConfig.parse(document, source=request.source)
    if config.segmentation.start is not None:
        raise ValueError(
            "with --norms the backbone must be trained from scratch, since weights match one norm only; see --scratch"
        )
    _check_comparable(config, request)
    chosen = {norm: with_norm(architecture, config, norm) for norm in norms}
    data = read_images(config, console)
    make_folder(folder.path)
    results: dict[str, list[SegmentResult]] = {norm: [] for norm in norms}
    with folder.lock():
        for seed in range(num_seeds):
            for norm, (changed, settings) in chosen.items():
                path = folder.path / norm / f"seed-{seed}"
                say(console, str(path))
                own, accept = _with_seed(settings, seed), request.accept_data
                results[norm].append(segment_folder(path, own, changed, data, console, accept_data=accept))
        study = summarize(results)
        images = {} if data.report is None else {"images": data.report.counts}
        plain = {"config": request.source, **images, **study.to_json()}
        write_text(folder.path / f"{TABLE_FILE}.json", json.dumps(plain, indent=2, allow_nan=False) + "\n")
        write_text(folder.path / f"{TABLE_FILE}.md", markdown_norms(study))
        draw_norms(study, folder.path / f"{TABLE_FILE}.png")
    return study


def summarize(results: Mapping[str, Sequence[SegmentResult]]) -> NormStudy:
    """Summarizes the results of each norm, ordered by seed, with intervals over seeds."""
    first = next(iter(results.values()))
    tables = {norm: [_scores(each, key) for key in ("mean_iou", "pixel_accuracy")] for norm, each in results.items()}
    baseline = next(iter(tables.values()))[0]
    norms = [
        NormScores(
            norm,
            {domain: _interval(values) for domain, values in mean_iou.items()},
            {domain: _interval(values) for domain, values in pixel_accuracy.items()},
            {domain: _interval(values - baseline[domain]) for domain, values in mean_iou.items()},
        )
        for norm, (mean_iou, pixel_accuracy) in tables.items()
    ]
    domains = first[0].domains
    return NormStudy(
        num_seeds=len(first),
        num_parameters={norm: each[0].result["num_parameters"] for norm, each in results.items()},
        domains=tuple(domains),
        looks={name: domain["look"] for name, domain in domains.items()},
        constant={name: domain["constant"] for name, domain in domains.items()},
        norms=tuple(norms),
    )


def markdown_norms(study: NormStudy) -> str:
    """Formats mean IoU, its difference to the first norm, and pixel accuracy as Markdown tables."""
    seeds, share = study.num_seeds, f"{study.confidence:.0%}"
    intervals = f"mean of {seeds} seeds with {share} intervals" if seeds > 1 else "one seed"
    parts = [f"Mean IoU in %, {intervals}:", markdown_table(*_rows(study, "mean_iou"))]
    if len(study.norms) > 1:
        first = study.norms[0].name
        parts += [
            f"Mean IoU minus that of `{first}`, same seed, in points:",
            markdown_table(*_rows(study, "less_first")),
        ]
    parts += ["Pixel accuracy in %:", markdown_table(*_rows(study, "pixel_accuracy"))]
    return "\n\n".join(parts) + "\n"


def norms_table(study: NormStudy) -> Table:
    """Makes the table of mean IoU for a terminal."""
    return terminal_table(*_rows(study, "mean_iou"), title=f"mean IoU in %, {plural(study.num_seeds, 'seed')} each")


def _rows(study: NormStudy, key: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a row for each domain, a column for each norm; absolute scores have a baseline."""
    relative = key == "less_first"
    norms = study.norms[1:] if relative else study.norms
    rows = []
    for domain in study.norms[0].mean_iou:
        look = study.looks.get(domain)
        shown = domain if look is None else f"{domain}, severity {look['severity']}"
        rows.append([shown, *(interval_text(getattr(norm, key)[domain], digits=1, signed=relative) for norm in norms)])
        if not relative:
            constant = study.constant.get(domain)
            rows[-1].append("" if constant is None else number(100 * constant[key], digits=1))
    return ["images", *(norm.name for norm in norms), *([] if relative else ["most frequent class"])], rows


def _scores(results: Sequence[SegmentResult], key: str) -> dict[str, FloatArray]:
    """The score of each seed by domain, with the mean over the shifts and the mean drop."""
    domains = results[0].domains
    scores = {domain: np.array([result.domains[domain][key] for result in results]) for domain in domains}
    shifted = [values for domain, values in scores.items() if domains[domain]["look"] is not None]
    if shifted:
        together = np.mean(shifted, axis=0)
        scores |= {ALL_SHIFTS: together, DROP: scores[VALIDATION] - together}
    return scores


def _interval(values: FloatArray) -> SeedInterval:
    found = bootstrap_interval(values, seed=0)
    return SeedInterval(found.value, found.low, found.high, tuple(values.tolist()))


def _check_comparable(config: SegmentationConfig, request: ConfigRequest) -> None:
    """Raises ValueError if settings replace the norms that are compared."""
    if "network.norm" in request.given:
        raise ValueError("with --norms the setting network.norm must not be given: each training has its own")
    if config.head.norm not in {None, "bn", "syncbn"}:
        raise ValueError(
            f"with --norms head.norm must be null, bn or syncbn, since others replace the norms, got {config.head.norm}"
        )


def _cell_with(cell: Cell, norm: str) -> Cell:
    return replace(cell, blocks=tuple(replace(block, norm=norm) for block in cell.blocks))


def _with_seed(config: SegmentationConfig, seed: int) -> SegmentationConfig:
    settings = replace(config.segmentation, seed=config.segmentation.seed + seed)
    return replace(config, segmentation=settings)
