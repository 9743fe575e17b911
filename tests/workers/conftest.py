from __future__ import annotations

import random

import pytest

from nas.decisions import Rollout
from nas.fidelity import Fidelity
from nas.trial import Trial
from search_spaces.tiny import TINY

NUM_ARCHITECTURES = 64


@pytest.fixture(scope="session")
def make_trial():
    """``make_trial(id, architecture=id)``: a trial of one of 64 different architectures of the tiny space."""
    draw, found = random.Random(0), {}
    while len(found) < NUM_ARCHITECTURES:
        decisions = tuple(draw.randrange(choice.num_options) for choice in TINY.choices)
        found.setdefault(TINY.decode(decisions).fingerprint, decisions)
    rollouts = [Rollout(decisions, -1.0) for decisions in found.values()]
    fidelity = Fidelity()

    def make(trial_id, architecture=None):
        rollout = rollouts[(trial_id if architecture is None else architecture) % NUM_ARCHITECTURES]
        return Trial(trial_id, rollout, TINY.decode(rollout.decisions), fidelity, trial_id)

    return make
