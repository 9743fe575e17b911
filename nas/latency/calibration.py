"""The nominal speed of a device: the time of the reference network on it, measured once and kept for the user.

It is kept in ``latency.json`` in the cache folder, see `nas.data.file_digests.cache_folder`, so all measurements on a
machine refer to the same speed.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nas.data.file_digests import cache_folder
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json_object
from nas.files.storage import make_folder
from nas.latency.backends import check_backend, device_name, measuring, onnx_run
from nas.latency.reference import VERSION, reference_network, reference_onnx
from nas.latency.timing import MIN_SAMPLES, Stopwatch

SECONDS = 3.0
"""Time of a calibration."""
_SAMPLE_SECONDS = 0.005
_PERCENTILE = 10  # near the speed without other work


def nominal_ms(backend: str, threads: int) -> float:
    """Milliseconds of the reference network at the nominal speed of this device, which is calibrated if it is new.

    Raises:
        ValueError: if the file of calibrations is damaged.
        StorageError: if it cannot be written.
    """
    found = _read(_path()).get(_key(backend, threads))
    return _calibrate(backend, threads, anew=False)[1] if found is None else found


def calibrate(backend: str, threads: int) -> tuple[float | None, float]:
    """Measures the nominal time of a CPU backend anew; returns the previous one, if any, and the new one in ms.

    Raises:
        ValueError: if the backend has none, or the file of calibrations is damaged.
        RuntimeError: if the backend is not installed.
        StorageError: if the file cannot be written.
    """
    if backend == "cuda":
        raise ValueError("the speed of a GPU is not calibrated; allowed: torch, onnxruntime")
    check_backend(backend)
    return _calibrate(backend, threads, anew=True)


def reference_run(backend: str, threads: int) -> Callable[[], object]:
    """Returns a run of the reference network by a CPU backend."""
    network, image = reference_network()
    return onnx_run(reference_onnx(), image, threads) if backend == "onnxruntime" else lambda: network(image)


def _calibrate(backend: str, threads: int, *, anew: bool) -> tuple[float | None, float]:
    """Other processes wait meanwhile, and then find the result."""
    run, path, key = reference_run(backend, threads), _path(), _key(backend, threads)
    with measuring(threads):
        known = _read(path)
        before = known.get(key)
        if before is not None and not anew:
            return before, before
        found = 1000 * _fast_seconds(run, threads)
        make_folder(path.parent)
        value = {"format": 1, "reference_ms": {**known, key: found}}
        write_text(path, json.dumps(value, indent=1) + "\n", mode=0o600)
    return before, found


def _fast_seconds(run: Callable[[], object], threads: int) -> float:
    watch = Stopwatch(run, threads, sample_seconds=_SAMPLE_SECONDS, warm_up=SECONDS / 10)
    end = time.perf_counter() + SECONDS
    seconds: list[float] = []
    while len(seconds) < MIN_SAMPLES or time.perf_counter() < end:
        seconds.append(watch.sample()[0])
    return float(np.percentile(seconds, _PERCENTILE))


def _path() -> Path:
    return cache_folder() / "latency.json"


def _key(backend: str, threads: int) -> str:
    return f"{device_name(backend)}; {backend}; threads {threads}; reference {VERSION}"


def _read(path: Path) -> dict[str, float]:
    try:
        value = read_json_object(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    times = value.get("reference_ms")
    if value.get("format") != 1 or not isinstance(times, dict) or not all(map(_is_time, times.values())):
        raise _damaged(path, "reference_ms must hold milliseconds")
    return {key: float(each) for key, each in times.items()}


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _damaged(path: Path, why: object) -> ValueError:
    return ValueError(f"{path} must hold the speeds of `nas latency calibrate` ({why}); remove it to calibrate anew")
