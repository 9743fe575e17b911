"""`nas export RUN --front`: writes every member of the front of a run, with the front as JSON and a figure."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from experiments.architectures.export import export_architecture
from experiments.architectures.find import ArchitectureSource, NetworkOptions, trial_source
from experiments.architectures.front_figure import draw_front
from experiments.runs.run_folder import RunFolder
from experiments.search.front import front_of, stored_objectives
from nas.files.atomic_write import write_text
from nas.latency.settings import LatencySettings
from nas.models.presets import format_stack

FRONT_FILE, FIGURE_FILE = "front.json", "front.svg"


def export_front(
    run: Path,
    out: Path,
    options: NetworkOptions,
    *,
    names: Sequence[str] = (),
    programs: Collection[str] = (),
    normalize: bool = False,
) -> list[Path]:
    """Writes one folder for each member, named by its place on the front and its trial; returns all that was written.

    The arguments are those of `experiments.architectures.export.export_architecture`; `names` are objectives, see
    `experiments.search.front.run_front`. Without options, the network is the one of which the search measured costs.
    """
    folder = RunFolder(run)
    found, records = front_of(folder, names)
    latency = stored_objectives(folder.document()).latency
    written = []
    for place, record in enumerate(records, start=1):
        member = out / f"{place:02d}-trial-{record.trial.id}"
        source = trial_source(f"{run}@front{place}", folder, record)
        network = options if options.given else _measured(source, latency)
        kept = programs if source.weights is not None and not network.given else ()
        export_architecture(source, member, network, programs=kept, normalize=normalize and bool(kept))
        written.append(member)
    write_text(out / FRONT_FILE, json.dumps(found.to_json(), indent=1) + "\n")
    draw_front(run, out / FIGURE_FILE, names)
    return [*written, out / FRONT_FILE, out / FIGURE_FILE]


def _measured(source: ArchitectureSource, latency: LatencySettings) -> NetworkOptions:
    """Options for the network of which costs were measured."""
    stack = None
    if latency.stack is not None and source.fidelity is not None:
        stack = format_stack(latency.network(source.blocks, source.fidelity.network), source.blocks)
    return NetworkOptions(latency.preset, stack, latency.image_size, latency.num_classes)
