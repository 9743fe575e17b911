"""Times a function until the interval of its median is narrow."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MIN_SAMPLES = 30
_MIN_SAMPLE_SECONDS = 0.002  # shorter runs are timed several at a time
_WARM_UP_SECONDS = 0.3
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Latency:
    """A measured latency in milliseconds.

    Attributes:
        median_ms: median of the samples.
        spread_ms: distance between their quartiles.
        low_ms: lower end of the 95 % interval of the median, from order statistics; `high_ms` is the upper one.
        num_samples: samples that count.
        num_disturbed: samples that were dropped because another process took the core meanwhile.
    """

    median_ms: float
    spread_ms: float
    low_ms: float
    high_ms: float
    num_samples: int
    num_disturbed: int


def measure_seconds(run: Callable[[], None], *, threads: int, precision: float, max_seconds: float) -> Latency:
    """Times a function on the CPU, after a warm-up; see `summarize_until` for the arguments.

    With one thread, a sample is the time that the thread spent on its core, in which a process that shares the core has
    no part. With several, it is the time that passed, and a sample during which the operating system took a core away
    does not count, unless hardly any other is left.
    """
    started, num_runs = time.perf_counter(), 0
    while num_runs < 3 or time.perf_counter() - started < min(_WARM_UP_SECONDS, max_seconds):
        run()
        num_runs += 1
    inner = max(1, math.ceil(_MIN_SAMPLE_SECONDS * num_runs / (time.perf_counter() - started)))
    clock = time.thread_time if threads == 1 else time.perf_counter

    def sample() -> tuple[float, bool]:
        before, begun = _num_switches(), clock()
        for _ in range(inner):
            run()
        seconds = (clock() - begun) / inner
        return seconds, threads > 1 and _num_switches() > before

    return summarize_until(sample, precision=precision, max_seconds=max_seconds)


def summarize_until(sample: Callable[[], tuple[float, bool]], *, precision: float, max_seconds: float) -> Latency:
    """Takes samples until the 95 % interval of their median is narrow enough, or the time is over.

    Args:
        sample: returns seconds, and whether the sample was disturbed.
        precision: half width of the interval, relative to the median.
        max_seconds: time after which it ends anyway, with at least three samples.
    """
    kept: list[float] = []
    disturbed: list[float] = []
    end = time.perf_counter() + max_seconds
    while len(kept) + len(disturbed) < 3 or time.perf_counter() < end:
        seconds, was_disturbed = sample()
        (disturbed if was_disturbed else kept).append(seconds)
        if len(kept) >= MIN_SAMPLES and len(kept) % 10 == 0:
            found = _summary(kept, len(disturbed))
            if found.high_ms - found.low_ms <= 2 * precision * found.median_ms:
                return found
    if len(kept) < 3:
        return _summary(kept + disturbed, 0)
    return _summary(kept, len(disturbed))


def _summary(seconds: list[float], num_disturbed: int) -> Latency:
    ordered = 1000 * np.sort(seconds)
    number = len(ordered)
    reach = _Z * math.sqrt(number) / 2
    low, high = max(0, math.floor(number / 2 - reach)), min(number - 1, math.ceil(number / 2 + reach))
    quartiles = np.percentile(ordered, (25, 75))
    return Latency(
        median_ms=float(np.median(ordered)),
        spread_ms=float(quartiles[1] - quartiles[0]),
        low_ms=float(ordered[low]),
        high_ms=float(ordered[high]),
        num_samples=number,
        num_disturbed=num_disturbed,
    )


def _num_switches() -> int:
    """How often the operating system took a core away from this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
