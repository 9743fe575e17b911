from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from nas.latency import timing
from nas.latency.timing import MIN_SAMPLES, Reference, Stopwatch, measure_seconds, summarize_until


class Machine:
    """A made-up machine on which work takes longer or shorter as time passes; it is the clock of the module."""

    def __init__(self, monkeypatch, slowness=lambda _now: 1.0):
        self.now, self.slowness, self.switches = 0.0, slowness, 0
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=self.time, thread_time=self.time))
        monkeypatch.setattr(timing, "_num_switches", lambda: self.switches)

    def time(self):
        return self.now

    def work(self, seconds):
        def run():
            self.now += seconds * self.slowness(self.now)

        return run

    def measure(self, seconds, *, threads=1, reference_seconds=0.001, nominal=0.001, max_seconds=10.0):
        reference = Reference(self.work(reference_seconds), nominal)
        run = self.work(seconds)
        return measure_seconds(run, reference, threads=threads, precision=0.01, max_seconds=max_seconds)


def test_samples_are_taken_until_the_interval_is_narrow():
    found = summarize_until(lambda: (0.002, False), precision=0.01, max_seconds=60)
    assert found.num_samples == MIN_SAMPLES
    assert (found.median_ms, found.spread_ms, found.low_ms, found.high_ms) == pytest.approx((2.0, 0.0, 2.0, 2.0))


def test_wide_samples_take_more():
    values = itertools.cycle([0.001, 0.002, 0.003, 0.004, 0.005])
    found = summarize_until(lambda: (next(values), False), precision=0.2, max_seconds=60)
    assert found.num_samples > MIN_SAMPLES
    assert found.median_ms == pytest.approx(3.0)
    assert found.spread_ms == pytest.approx(2.0)


def test_disturbed_samples_do_not_count_unless_all_are():
    samples = itertools.cycle([(0.002, False), (0.009, True)])
    found = summarize_until(lambda: next(samples), precision=0.01, max_seconds=60)
    assert found.median_ms == pytest.approx(2.0)
    assert found.num_disturbed in (MIN_SAMPLES - 1, MIN_SAMPLES)
    alone = summarize_until(lambda: (0.009, True), precision=0.01, max_seconds=0.0)
    assert (alone.median_ms, alone.num_samples) == (pytest.approx(9.0), 3)


def test_the_interval_is_not_trusted_before_some_time(monkeypatch):
    machine = Machine(monkeypatch)
    run = machine.work(0.1)
    found = summarize_until(lambda: (run() or 0.1, False), precision=0.01, min_seconds=7.05, max_seconds=60)
    assert found.num_samples == 80  # the interval is looked at every tenth sample
    assert summarize_until(lambda: (run() or 0.1, False), precision=0.01, min_seconds=7, max_seconds=1).num_samples < 12


@pytest.mark.parametrize(("bound", "num_samples"), [(3.9, 6), (4.1, 80), (50.0, 80)])
def test_it_ends_as_soon_as_the_interval_lies_above_the_bound(monkeypatch, bound, num_samples):
    machine = Machine(monkeypatch)
    values, run = itertools.cycle([0.004, 0.005]), machine.work(0.1)
    limits = {"precision": 0.5, "min_seconds": 7.05, "max_seconds": 60, "bound_ms": bound}
    assert summarize_until(lambda: (run() or next(values), False), **limits).num_samples == num_samples


@pytest.mark.parametrize("seconds", [0.0001, 0.003, 0.05, 0.3])
def test_latency_is_that_at_the_nominal_speed(monkeypatch, seconds):
    """The machine is half as fast as when it was calibrated, and becomes another third slower after a second."""
    found = Machine(monkeypatch, lambda now: 2.0 if now < 1.0 else 3.0).measure(seconds)
    assert found.median_ms == pytest.approx(1000 * seconds)
    assert (found.low_ms, found.high_ms) == pytest.approx((found.median_ms, found.median_ms))
    assert 2000 * seconds <= found.raw_ms <= 3001 * seconds
    assert found.speed == pytest.approx(1000 * seconds / found.raw_ms, rel=0.5)


def test_two_measurements_at_different_speeds_agree(monkeypatch):
    """The speed changes every few samples, between 1 and 1.5 in one measurement and between 2 and 3 in the other."""
    first = Machine(monkeypatch, lambda now: 1.0 if now % 0.4 < 0.3 else 1.5).measure(0.012)
    second = Machine(monkeypatch, lambda now: 3.0 if now % 0.4 < 0.3 else 2.0).measure(0.012)
    assert first.median_ms == pytest.approx(second.median_ms, rel=0.01)
    assert second.raw_ms == pytest.approx(3 * first.raw_ms, rel=0.01)
    assert (first.speed, second.speed) == pytest.approx((1.0, 1 / 3), rel=0.01)


def test_a_device_that_was_calibrated_while_busy(monkeypatch):
    found = Machine(monkeypatch).measure(0.01, reference_seconds=0.001, nominal=0.002)
    assert (found.median_ms, found.raw_ms, found.speed) == pytest.approx((20.0, 10.0, 2.0))


def test_measuring_takes_the_least_time_and_not_more_than_the_most(monkeypatch):
    machine = Machine(monkeypatch)
    machine.measure(0.002)
    assert timing.MIN_SECONDS < machine.now < timing.MIN_SECONDS + 1
    short = Machine(monkeypatch)
    assert short.measure(0.002, max_seconds=0.1).num_samples > 3
    assert short.now < 0.4


def test_with_several_threads_a_sample_beside_which_a_core_was_taken_away_does_not_count(monkeypatch):
    machine = Machine(monkeypatch)
    usual = machine.work(0.01)

    def run():
        usual()
        if machine.now > 0.5 and machine.switches == 0:  # another process has the core for half a second
            machine.switches, machine.now = 1, machine.now + 0.5

    reference = Reference(machine.work(0.001), 0.001)
    found = measure_seconds(run, reference, threads=2, precision=0.01, max_seconds=10.0)
    assert found.num_disturbed == 1
    assert found.median_ms == pytest.approx(10.0)


def test_short_runs_are_timed_several_at_a_time(monkeypatch):
    machine, runs = Machine(monkeypatch), []
    work = machine.work(0.0005)
    watch = Stopwatch(lambda: runs.append(1) or work(), 1, sample_seconds=0.002, warm_up=0.1)
    runs.clear()
    assert watch.sample() == (pytest.approx(0.0005), False)
    assert len(runs) == 5  # four, and one before
    assert watch.seconds == pytest.approx(0.002)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_function_is_timed(threads):
    calls = []
    reference = Reference(lambda: sum(range(1000)), 0.001)
    run = lambda: calls.append(sum(range(1000)))  # noqa: E731
    found = measure_seconds(run, reference, threads=threads, precision=0.5, max_seconds=0.05)
    assert found.median_ms > 0
    assert found.speed > 0
    assert len(calls) > found.num_samples  # several at a time, and a warm-up
