from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.comparison.norm_usage import StageNorms, norm_usage
from nas.architecture import Architecture, Block, Cell, Edge
from nas.decisions import Rollout
from nas.fidelity import Fidelity, NetworkSpec
from nas.records import Record
from nas.rewards import Accuracy
from nas.trial import Failure, Success, Trial


def record(number, norms, *, reduction=None, accuracy=0.5, stages=None, num_stages=2):
    """A trial of cells with a block for each norm."""
    cells = [
        Cell(tuple(Block(Edge(0, "conv_1x1"), Edge(1, "conv_3x3"), norm=norm) for norm in each))
        for each in (norms, reduction or norms)
    ]
    fidelity = Fidelity(NetworkSpec(num_repeats=1, num_stages=num_stages))
    trial = Trial(number, Rollout((number,), -1.0), Architecture(*cells, stages), fidelity, seed=number)
    outcome = Failure(number, "error", "no") if accuracy is None else Success(number, accuracy)
    return Record(trial, outcome, 0.0, 1.0)


def test_shares_by_stage_are_those_of_the_blocks_that_stand_there():
    """One normal cell a stage; the second stage begins with the reduction cell."""
    (first, second) = norm_usage([record(0, ("in", "bn"), reduction=("gn", "gn"))], Accuracy())
    assert first == StageNorms(1, {"bn": 0.5, "in": 0.5}, {"bn": 0.5, "in": 0.5})
    assert second.all == {"bn": 0.25, "in": 0.25, "gn": 0.5}


@pytest.mark.parametrize(
    ("stages", "shallow", "deep"), [(0, "bn", "bn"), (1, "in", "bn"), (2, "in", "in"), (None, "in", "in")]
)
def test_deep_stages_have_batch_norm_where_the_architecture_says_so(stages, shallow, deep):
    usage = norm_usage([record(0, ("in", "gn"), stages=stages)], Accuracy())
    assert usage[0].all == {shallow: 0.5, "gn": 0.5}
    assert usage[1].all == {deep: 0.5, "gn": 0.5}


def test_the_ten_best_by_reward_are_counted_apart_and_each_architecture_once():
    best = [record(place, ("in",) * (place + 1), accuracy=0.9 - place / 100) for place in range(10)]
    worse = [record(10 + place, ("gn",) * (place + 1), accuracy=0.1) for place in range(10)]
    again = replace(worse[0], outcome=Success(10, 1.0))
    usage = norm_usage([*worse, *best, again, record(99, ("bn",), accuracy=None)], Accuracy())
    assert usage[0].best == {"in": 1.0}
    assert usage[0].all == {"in": 0.5, "gn": 0.5}


def test_where_norms_were_not_searched_there_is_nothing_to_say():
    assert norm_usage([record(0, ("bn", "bn")), record(1, ("bn",))], Accuracy()) == ()
    assert norm_usage([], Accuracy()) == ()
