import pytest

from experiments.config.search_settings import SearchSettings, TrackerSettings
from experiments.config.sections import validate_section


def test_only_the_number_of_trials_must_be_given():
    assert validate_section("search", {"num_trials": 3}, SearchSettings) == SearchSettings(3, 0, 0.0, False, 20)
    assert validate_section("trackers", {}, TrackerSettings) == TrackerSettings(tensorboard=False, mlflow=False)
    assert validate_section("search", {"num_trials": 3, "failure_reward": None}, SearchSettings).failure_reward is None


@pytest.mark.parametrize(
    ("name", "kind", "section", "message"),
    [
        ("search", SearchSettings, {}, "search.num_trials: Field required"),
        ("search", SearchSettings, {"num_trials": 0}, "search.num_trials: .*greater than or equal to 1, got 0"),
        ("search", SearchSettings, {"num_trials": 1, "seed": -1}, "search.seed: .*got -1"),
        ("search", SearchSettings, {"num_trials": 1, "ordered_batch": 0}, "search.ordered_batch: .*got 0"),
        ("search", SearchSettings, {"num_trials": 1, "failure_reward": float("nan")}, "search.failure_reward: .*nan"),
        ("trackers", TrackerSettings, {"mlflow_experiment": ""}, "trackers.mlflow_experiment: "),
        ("trackers", TrackerSettings, {"wandb": True}, "unknown key in section trackers 'wandb'"),
    ],
)
def test_bad_settings_are_refused(name, kind, section, message):
    with pytest.raises(ValueError, match=message):
        validate_section(name, section, kind)
