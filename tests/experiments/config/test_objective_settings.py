from __future__ import annotations

import pytest

from experiments.config.objective_settings import ObjectiveSettings
from experiments.config.search_config import SearchConfig
from nas.fidelity import NetworkSpec
from search_spaces.tiny import TINY

MINIMAL = {"search": {"num_trials": 3}, "space": {"name": "tiny"}, "controller": {"name": "random"}}
SPEC = NetworkSpec(num_filters=2, num_repeats=1, num_stages=1, image_size=8, in_channels=1)


def parse(**objectives):
    return SearchConfig.parse({**MINIMAL, "objectives": objectives})


def test_a_configuration_without_objectives_is_stored_as_before():
    config = SearchConfig.parse(MINIMAL)
    assert "objectives" not in config.to_document()
    assert config.objectives.front is None
    assert config.objectives.costs() is None


def test_objectives_are_stored_and_read():
    config = parse(names=["accuracy", "latency"], bounds={"parameters": 1e6}, latency={"stack": "4x44", "threads": 2})
    document = config.to_document()
    assert document["objectives"]["latency"]["stack"] == "4x44"
    assert SearchConfig.parse(document) == config
    assert config.objectives.costs("here").names == ("latency",)
    assert config.objectives.costs("here").cache_dir == "here"


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        ({"names": ["accuracy"]}, "two or more"),
        ({"names": ["accuracy", "speed"]}, "got 'speed'"),
        ({"names": ["accuracy", "shifted_accuracy"]}, "shifts.reward"),
        ({"bounds": {"accuracy": 0.5}}, "bounds must be on parameters"),
        ({"bounds": {"latency": 0}}, "above 0"),
        ({"latency": {"backend": "tpu"}}, "objectives.latency.backend"),
        ({"latency": {"stack": "big"}}, "stack must be"),
    ],
)
def test_bad_objectives_are_refused_in_one_line(objectives, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse(**objectives)
    assert "\n" not in str(caught.value)


def test_a_front_cannot_have_rungs():
    search = {"num_trials": 3, "rungs": {"epochs": [1]}}
    with pytest.raises(ValueError, match="rungs must be null"):
        SearchConfig.parse({**MINIMAL, "search": search, "objectives": {"names": ["accuracy", "parameters"]}})


def test_bounds_tell_what_a_surrogate_may_propose():
    decisions = (0,) * len(TINY.choices)
    assert ObjectiveSettings().accepts(TINY, SPEC) is None
    assert ObjectiveSettings(bounds={"parameters": 1e9}).accepts(TINY, SPEC)(decisions)
    assert not ObjectiveSettings(bounds={"parameters": 10}).accepts(TINY, SPEC)(decisions)
    assert ObjectiveSettings(bounds={"latency": 1e-9}).accepts(TINY, SPEC)(decisions)  # unknown before it is measured
