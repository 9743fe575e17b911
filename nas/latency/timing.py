"""Times a function until the interval of its median is narrow."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

MIN_SAMPLES = 30
_MIN_SAMPLES_ABOVE = 6  # the smallest number whose minimum is a lower end of a 95 % interval of the median
MIN_SECONDS = 2.0
"""Time of measuring beside the reference network before which the interval is not trusted."""
_MIN_SAMPLE_SECONDS = 0.002  # shorter runs are timed several at a time
_REFERENCE_SHARE = 0.25  # of the time of a sample of the network, for one of the reference
_MAX_REFERENCE_SECONDS = 0.02
_WARM_UP_SECONDS = 0.3
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Latency:
    """A measured latency in milliseconds.

    Attributes:
        median_ms: median of the samples; on a CPU, at the device's nominal speed, see `measure_seconds`.
        spread_ms: distance between their quartiles.
        low_ms: lower end of the 95 % interval of the median, from order statistics; `high_ms` is the upper one.
        num_samples: samples that count.
        num_disturbed: samples that were dropped because another process took the core meanwhile.
        raw_ms: median of the times as they were, at the speed that the device had; None if nothing was corrected.
        speed: speed of the device meanwhile, relative to its nominal one; None if nothing was corrected.
    """

    median_ms: float
    spread_ms: float
    low_ms: float
    high_ms: float
    num_samples: int
    num_disturbed: int
    raw_ms: float | None = None
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A run of the reference network, and the seconds that it takes at the device's nominal speed."""

    run: Callable[[], object]
    nominal_seconds: float


class Stopwatch:
    """Times a function on the CPU, several runs at a time if one is short, after a warm-up.

    With one thread, a sample is the time that the thread spent on its core, in which a process that shares the core has
    no part. With several, it is the time that passed, and a sample is disturbed if the operating system took a core
    away during it.
    """

    def __init__(self, run: Callable[[], object], threads: int, *, sample_seconds: float, warm_up: float) -> None:
        self._run = run
        self._threads = threads
        started, num_runs = time.perf_counter(), 0
        while num_runs < 3 or time.perf_counter() - started < warm_up:
            run()
            num_runs += 1
        self._repeats = max(1, math.ceil(sample_seconds * num_runs / (time.perf_counter() - started)))

    def sample(self) -> tuple[float, bool]:
        """Seconds of a run, and whether they were disturbed."""
        if self._repeats > 1:
            self._run()  # brings back to the caches what another function has driven out
        clock = time.thread_time if self._threads == 1 else time.perf_counter
        before, begun = _num_switches(), clock()
        for _ in range(self._repeats):
            self._run()
        seconds = (clock() - begun) / self._repeats
        return seconds, self._threads > 1 and _num_switches() > before

    @property
    def seconds(self) -> float:
        """Time of a sample."""
        return self._repeats * self.sample()[0]


def measure_seconds(
    run: Callable[[], object],
    reference: Reference,
    *,
    threads: int,
    precision: float,
    max_seconds: float,
    bound_ms: float = math.inf,
) -> Latency:
    """Times a function on the CPU, corrected for the speed that the machine has meanwhile.

    Processes share caches, memory and the power of a processor, so a core is slower for seconds to minutes. Samples of
    the function alternate with samples of the reference network, and each counts relative to those beside it, times
    the nominal time of the reference. See `Stopwatch`, and `summarize_until` for the other arguments.
    """
    warm_up = min(_WARM_UP_SECONDS, max_seconds)
    network = Stopwatch(run, threads, sample_seconds=_MIN_SAMPLE_SECONDS, warm_up=warm_up)
    length = min(max(_MIN_SAMPLE_SECONDS, _REFERENCE_SHARE * network.seconds), _MAX_REFERENCE_SECONDS)
    beside = Stopwatch(reference.run, threads, sample_seconds=length, warm_up=warm_up / 10)
    raw: list[float] = []
    references = [beside.sample()]

    def sample() -> tuple[float, bool]:
        seconds, disturbed = network.sample()
        raw.append(seconds)
        references.append(beside.sample())
        (before, before_disturbed), (after, after_disturbed) = references[-2:]
        corrected = seconds / ((before + after) / 2) * reference.nominal_seconds
        return corrected, disturbed or before_disturbed or after_disturbed

    limits = {"precision": precision, "max_seconds": max_seconds, "bound_ms": bound_ms}
    found = summarize_until(sample, min_seconds=MIN_SECONDS, **limits)
    speed = reference.nominal_seconds / float(np.median([seconds for seconds, _ in references]))
    return replace(found, raw_ms=1000 * float(np.median(raw)), speed=speed)


def summarize_until(
    sample: Callable[[], tuple[float, bool]],
    *,
    precision: float,
    max_seconds: float,
    min_seconds: float = 0.0,
    bound_ms: float = math.inf,
) -> Latency:
    """Takes samples until the 95 % interval of their median is narrow enough, or the time is over.

    Args:
        sample: returns seconds, and whether the sample was disturbed.
        precision: half width of the interval, relative to the median.
        max_seconds: time after which it ends anyway, with at least three samples.
        min_seconds: time before which it does not end, unless `max_seconds` is less.
        bound_ms: it ends as soon as the whole interval lies above this bound, however wide it is.
    """
    kept: list[float] = []
    disturbed: list[float] = []
    started = time.perf_counter()
    enough, end = started + min_seconds, started + max_seconds
    while len(kept) + len(disturbed) < 3 or time.perf_counter() < end:
        seconds, was_disturbed = sample()
        (disturbed if was_disturbed else kept).append(seconds)
        if len(kept) == _MIN_SAMPLES_ABOVE or (kept and len(kept) % 10 == 0):
            found = _summary(kept, len(disturbed))
            is_narrow = found.high_ms - found.low_ms <= 2 * precision * found.median_ms
            if found.low_ms > bound_ms or (is_narrow and len(kept) >= MIN_SAMPLES and time.perf_counter() >= enough):
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
