from __future__ import annotations

import pytest

from controllers.random_search import RandomSearch
from experiments.config.search_config import SearchConfig
from experiments.search import estimate
from experiments.search.estimate import describe_cost, in_words
from nas.data.load import load_data
from nas.records import LedgerContents, Record
from nas.trial import Failure, Success
from search_spaces.tiny import TINY


@pytest.fixture(scope="module")
def config():
    document = {
        "space": "tiny",
        "search": {"num_trials": 20},
        "network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1, "image_size": 8, "in_channels": 1},
        "recipe": {"epochs": 1, "batch_size": 8, "device": "cpu"},
        "data": {"name": "digits", "num_train": 100, "validation_fraction": 0.25},
        "workers": {"pool": "serial"},
    }
    return SearchConfig.parse(document)


@pytest.fixture(scope="module")
def data(config):
    return load_data(config.data)


def describe(config, data, contents=None, capacity=1):
    return describe_cost(config, contents or LedgerContents(), data, RandomSearch(TINY.choices, seed=0), capacity)


def test_words_give_the_mean_the_range_and_the_whole():
    text = in_words([30.0, 60.0, 90.0], 40, 2, "from a dry step of the first 3")
    assert text == (
        "estimate, from a dry step of the first 3: 1 min 0 s per trial (30 s to 1 min 30 s), 20 min 0 s for 40 trials, "
        "2 at a time"
    )
    assert in_words([4.0], 1, 8, "x") == "estimate, x: 4 s per trial, 4 s for 1 trial, one at a time"


def test_a_new_search_is_estimated_by_dry_steps_of_its_first_trials(config, data):
    text = describe(config, data)
    assert text.startswith("estimate, from a dry step of the first 3: ")
    assert text.endswith(" for 20 trials, one at a time")


def test_a_resumed_search_is_estimated_by_its_trials(config, data, make_trial):
    outcomes = [
        Success(0, 0.5, train_seconds=10.0),
        Failure(1, "error", "x", 99.0),
        Success(2, 0.5, train_seconds=20.0),
    ]
    records = [Record(make_trial(each.trial_id), each, 0.0, 0.0) for each in outcomes]
    text = describe(config, data, LedgerContents(finished=records))
    assert (
        text
        == "estimate, as the 2 trials so far: 15 s per trial (10 s to 20 s), 4 min 15 s for 17 trials, one at a time"
    )


def test_a_dry_step_that_fails_stops_nothing(config, data, monkeypatch):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(estimate, "_time_dry_steps", fail)
    assert "is not estimated: MemoryError: no room" in describe(config, data)
