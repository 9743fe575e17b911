from __future__ import annotations

import random

import pytest
import torch

from nas.decisions import Rollout
from nas.fidelity import Fidelity, NetworkSpec, TrainRecipe
from nas.trial import Trial
from search_spaces.tiny import TINY
from workers.evaluators import cost
from workers.evaluators.cost import estimate_seconds

SPEC = NetworkSpec(num_filters=2, num_repeats=1, num_stages=1, image_size=8, in_channels=1)


def trial(**recipe):
    generator = random.Random(0)
    decisions = tuple(generator.randrange(choice.num_options) for choice in TINY.choices)
    fidelity = Fidelity(SPEC, TrainRecipe(batch_size=4, device="cpu", **recipe))
    return Trial(0, Rollout(decisions, 0.0), TINY.decode(decisions), fidelity, seed=1)


def test_the_second_step_counts_once_for_each_step_of_the_training(monkeypatch):
    clock = iter((0.0, 1.0, 100.0, 102.0, 200.0, 204.0))  # build 1 s, steps end at 100 and 102 s, validation 4 s
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(cost, "start_training", _Started)
    # 3 epochs of 10 // 4 = 2 steps of 2 s; validation 1 s an image
    assert estimate_seconds(trial(epochs=3), num_train=10, num_validation=5) == pytest.approx(1 + 3 * 2 * 2 + 5)


class _Started:
    def __init__(self, *_args, **_settings):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def run_epoch(self, after_step):
        after_step(1)
        after_step(2)


def test_a_real_step_is_timed_and_leaves_no_trace_in_the_random_numbers():
    before = torch.get_rng_state()
    assert 0 < estimate_seconds(trial(epochs=1, warmup_epochs=0.5), num_train=8, num_validation=4) < 60
    assert torch.equal(torch.get_rng_state(), before)
