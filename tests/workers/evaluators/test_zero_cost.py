from dataclasses import replace

import pytest

from nas.data.load import load_data
from nas.edge_cell import EdgeCell
from nas.fidelity import DataSpec, Fidelity, NetworkSpec
from nas.models.complexity import measure
from nas.rewards import Metric
from nas.scores.table import ALL_SCORES
from nas.trial import Failure, Success
from workers.evaluators.zero_cost import ZeroCostSettings, zero_cost

FIDELITY = Fidelity(
    NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=1),
    data=DataSpec("digits", num_train=300, validation_fraction=0.2),
)
CELL = EdgeCell(("nor_conv_3x3",))
ALL = ZeroCostSettings(ALL_SCORES, batch_size=8)


@pytest.fixture(scope="module")
def data():
    return load_data(FIDELITY.data)


@pytest.fixture
def trial(make_trial):
    return replace(make_trial(3), architecture=CELL, fidelity=FIDELITY)


def test_scores_are_metrics_and_nothing_is_trained(data, trial):
    outcome = zero_cost(trial, data=data, settings=ALL)
    assert isinstance(outcome, Success)
    assert (outcome.trial_id, outcome.accuracy) == (3, 0.0)
    assert set(outcome.metrics) == set(ALL_SCORES)
    assert outcome.num_parameters == measure(CELL, FIDELITY.network).num_parameters
    assert Metric("num_parameters")(outcome) == outcome.num_parameters
    assert replace(zero_cost(trial, data=data, settings=ALL), train_seconds=outcome.train_seconds) == outcome


def test_images_follow_from_the_settings_and_weights_from_the_trial(data, trial):
    settings = [replace(ALL, seed=seed, scores=("snip", "zen")) for seed in (0, 1)]
    first, other_images = (zero_cost(trial, data=data, settings=each).metrics for each in settings)
    assert first["snip"] != other_images["snip"]
    assert first["zen"] == other_images["zen"]  # draws its own images
    assert zero_cost(replace(trial, seed=99), data=data, settings=settings[0]).metrics["zen"] != first["zen"]


def test_what_cannot_be_scored_is_a_failure(data, trial, make_trial):
    large = zero_cost(trial, data=data, max_parameters=10)
    assert isinstance(large, Failure)
    assert large.kind == "too_large"
    silent = zero_cost(replace(trial, architecture=EdgeCell(("none",))), data=data)
    assert isinstance(silent, Failure)
    assert silent.kind == "error"
    assert "the score naswot of this network must be finite" in silent.error


def test_unknown_scores_are_refused():
    with pytest.raises(ValueError, match="a score must be one of naswot"):
        ZeroCostSettings(("accuracy",))
