"""Latency and memory of architectures, measured once for each network."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from nas.fidelity import NetworkSpec
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object
from nas.files.storage import make_folder
from nas.latency.backends import check_backend, device_name
from nas.latency.calibration import nominal_ms
from nas.latency.settings import LatencySettings
from nas.latency.time_network import time_network
from nas.latency.timing import Latency
from nas.models.build import build
from nas.models.reference.descriptions import Buildable


def measure_latency(
    architecture: Buildable,
    spec: NetworkSpec,
    settings: LatencySettings,
    *,
    cache: Path | None = None,
    bound_ms: float = math.inf,
) -> Latency:
    """Measures the latency of the network that the settings describe, for trials with the network `spec`.

    Args:
        architecture: the architecture.
        spec: the network of the trials, see `LatencySettings.network`.
        settings: what is measured and how.
        cache: folder with a file for each network on each device; a network is not measured again. None: none.
        bound_ms: measuring ends as soon as the latency is known to be above it. It is not stored then, being less
            precise than asked for.

    Raises:
        ValueError: if the network is not possible, or the file of calibrations is damaged (`nas.latency.calibration`).
        RuntimeError: if the backend cannot be used here.
    """
    check_backend(settings.backend)
    network = settings.network(architecture, spec)
    key = _key(architecture, network, settings)
    file = None if cache is None else cache / f"{_digest(key)}.json"
    if file is not None and file.exists():
        stored = read_json_object(file)
        return Latency(**stored["latency"])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        built = build(architecture, network)
        images = torch.randn(settings.batch, network.in_channels, network.image_size, network.image_size)
    latency = time_network(built, images, settings, bound_ms)
    if file is not None and cache is not None and latency.low_ms <= bound_ms:
        make_folder(cache)
        write_text(file, json.dumps({"key": key, "latency": asdict(latency)}, indent=1) + "\n")
    return latency


def _key(architecture: Buildable, network: NetworkSpec, settings: LatencySettings) -> dict[str, Any]:
    return {
        "architecture": architecture.fingerprint,
        "network": asdict(network),
        "device": device_name(settings.backend),
        **settings.conditions(),
        **nominal_speed(settings),
    }


def nominal_speed(settings: LatencySettings) -> dict[str, float]:
    """What latencies on a CPU refer to, as plain data; a GPU's are not corrected."""
    return {} if settings.backend == "cuda" else {"reference_ms": nominal_ms(settings.backend, settings.threads)}


def _digest(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
