import pytest

from experiments.config.documents import load_document
from experiments.config.kinds import SEARCH
from experiments.config.parsing.sections import validate_section
from experiments.config.search_config import SearchConfig
from experiments.config.search_settings import SearchSettings, ShiftSettings, TrackerSettings
from nas.rewards import ShiftedAccuracy
from nas.shifts.measure import ShiftPlan
from nas.shifts.table import PAPER_SHIFTS


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


def shifts(**settings):
    return validate_section("shifts", settings, ShiftSettings)


def test_nothing_is_measured_unless_asked_for():
    assert shifts().plan is None
    assert shifts(test=["blur"]).plan is None


def test_the_plan_is_the_rewards_side():
    assert shifts(reward=["blur", "fog"], test=["noise"], severity=2, seed=5).plan == ShiftPlan(("blur", "fog"), 2, 5)


def test_overlapping_and_unknown_shifts_are_one_clear_line():
    with pytest.raises(ValueError, match=r"^shifts.*must be disjoint, both hold blur$"):
        shifts(reward=["blur", "fog"], test=["noise", "blur"])
    with pytest.raises(ValueError, match=r"^shifts.*a shift must be one of add_all, .*got 'rain'$"):
        shifts(reward=["rain"])
    with pytest.raises(ValueError, match=r"shifts\.severity"):
        shifts(severity=6)


def test_a_reward_of_shifts_needs_shifts():
    document = {"search": {"num_trials": 1}, "reward": "shifted_accuracy"}
    with pytest.raises(ValueError, match=r"needs at least one shift in shifts\.reward"):
        SearchConfig.parse(document)
    config = SearchConfig.parse({**document, "shifts": {"reward": ["blur"]}})
    assert isinstance(config.reward, ShiftedAccuracy)
    assert config.shifts.plan == ShiftPlan(("blur",))
    assert SearchConfig.parse(config.to_document()) == config


def test_grey_images_have_no_colour_to_shift():
    document = {"search": {"num_trials": 1}, "network": {"in_channels": 1}, "shifts": {"test": ["add_red"]}}
    with pytest.raises(ValueError, match="shift add_red needs images of 3 channels"):
        SearchConfig.parse(document)


@pytest.mark.parametrize("name", ["digits_robust", "cifar10_robust"])
def test_the_papers_shifts_are_kept_for_the_test(name):
    config = SearchConfig.parse(load_document(name, SEARCH))
    assert config.reward_name == "shifted_accuracy"
    assert set(config.shifts.test) >= set(PAPER_SHIFTS) - {"add_red"}
    assert {"in", "ibn_a", "ibn_b"} < set(config.space.norms)
    assert len(config.space.appearance_stages) > 1
