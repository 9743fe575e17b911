from __future__ import annotations

import itertools

import pytest

from nas.latency.timing import MIN_SAMPLES, measure_seconds, summarize_until


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


@pytest.mark.parametrize("threads", [1, 2])
def test_a_function_is_timed(threads):
    calls = []
    found = measure_seconds(lambda: calls.append(sum(range(1000))), threads=threads, precision=0.5, max_seconds=0.05)
    assert found.median_ms > 0
    assert len(calls) > found.num_samples  # several at a time, and a warm-up
