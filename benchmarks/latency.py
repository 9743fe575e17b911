"""Measures how well latency is measured on this machine: repeatability, the table of operations, known networks.

Other work on the machine belongs to it: a laptop is never idle.

Example: python -m benchmarks.latency --backend onnxruntime --out latency.json
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from controllers.random_search import RandomSearch
from experiments.architectures.latency import latency_line, measure_named
from experiments.architectures.latency_table import TableRequest, build_table, report_line
from nas.fidelity import NetworkSpec
from nas.latency.measure import measure_latency
from nas.latency.settings import LatencySettings
from search_spaces.nasnet import NASNET

KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "NASNet-A mobile": ("nasnet-a", {"preset": "imagenet-mobile"}),
    "AmoebaNet-A, the same stack": ("amoebanet-a", {"preset": "imagenet-mobile"}),
    "ResNet-50": ("resnet50", {}),
    "timm's ResNet-50": ("timm:resnet50", {}),
}


def repeat(number: int, settings: LatencySettings) -> list[float]:
    """Two rounds over random networks; the relative difference of the two measurements of each."""
    controller = RandomSearch(NASNET.choices, seed=0)
    cells: list[Any] = [NASNET.decode(rollout.decisions) for rollout in controller.ask(range(number))]
    rounds = []
    for _ in range(2):
        rounds.append([measure_latency(each, NetworkSpec(), settings).median_ms for each in cells])
        print(f"load {os.getloadavg()[0]:.1f}: {np.round(rounds[-1], 2).tolist()} ms", flush=True)
    first, second = np.array(rounds)
    return [float(each) for each in np.abs(first - second) / ((first + second) / 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--parts", default="repeat,table,known")
    parser.add_argument("--stack", default="2x16")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--check", type=int, default=50)
    parser.add_argument("--max-seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    shared = {"backend": options.backend, "max_seconds": options.max_seconds}
    settings = LatencySettings(stack=options.stack, image_size=options.image_size, **shared)
    found: dict[str, Any] = {"settings": asdict(settings)}
    for part in options.parts.split(","):
        if part == "repeat":
            found[part] = repeat(options.networks, settings)
            median, worst = np.median(found[part]), max(found[part])
            print(f"{options.networks} networks, measured twice: {median:.2%} apart in the median, {worst:.2%} at most")
        elif part == "table":
            request = TableRequest("nasnet", settings, samples=150, check=options.check)
            found[part] = build_table(request, options.out.with_suffix(".table.json"), Console())
            print(report_line(found[part]))
        else:
            found[part] = {
                label: measure_named(name, LatencySettings(**network, **shared))
                for label, (name, network) in KNOWN.items()
            }
            print(*map(latency_line, found[part].values()), sep="\n")
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
