import math

import pytest

from experiments.study.results import measured
from experiments.study.summary import summarize

NOTHING = {"value": None, "low": None, "high": None}


def fail(result):
    kept = ("name", "start", "schedule", "fraction", "seed", "num_pictures", "num_iterations")
    return {**{name: result[name] for name in kept}, "error": "DivergedError: the loss is nan"}


def test_differences_are_those_seed_by_seed(make_study_results):
    value = summarize(make_study_results(), split="train")
    assert [(each.num_pictures, each.schedule) for each in value.settings] == [
        (5, "1x"),
        (5, "2x"),
        (10, "1x"),
        (10, "2x"),
    ]
    last = value.settings[-1].measures["train.box.ap"]
    assert last.scratch.values == pytest.approx([0.3, 0.31, 0.32])
    assert last.pretrained.mean == pytest.approx(0.41)
    assert last.scratch.deviation == pytest.approx(0.01)
    # every seed gains the same, so there is no spread
    assert [last.difference.value, last.difference.low, last.difference.high] == pytest.approx([0.1] * 3)
    assert value.overall["train.box.ap"].value == pytest.approx(0.15)
    assert value.overall["loss"].value == pytest.approx(-0.3)
    assert (value.num_seeds, value.num_measured) == (3, {"val": 5, "train": 10})


def test_the_lead_of_pre_training_is_followed_along_schedules_and_amounts_of_data(make_study_results):
    schedules, amounts = summarize(make_study_results(), split="train").changes
    assert (schedules.along, schedules.first, schedules.last) == ("schedule", "1x", "2x")
    assert schedules.measures["train.box.ap"].value == pytest.approx(-0.1)
    assert (amounts.along, amounts.first, amounts.last) == ("num_pictures", 5, 10)
    assert amounts.measures["train.box.ap"].value == pytest.approx(0)
    single = [each for each in make_study_results() if (each["schedule"], each["fraction"]) == ("2x", 1.0)]
    assert summarize(single, split="train").changes == ()


def test_schedules_are_ordered_by_their_length_not_as_words(make_study_results):
    results = [{**each, "schedule": {"1x": "9x", "2x": "10x"}[each["schedule"]]} for each in make_study_results(1)]
    assert [each.schedule for each in summarize(results, split="train").settings] == ["9x", "10x"] * 2


def test_failures_are_left_out_with_their_pairs(make_study_results):
    results = make_study_results()
    place = next(place for place, each in enumerate(results) if each["name"] == "pretrained-2x-1.0-seed-1")
    results[place] = fail(results[place])
    setting = summarize(results, split="train").settings[-1]
    assert setting.num_failed == 1
    measure = setting.measures["train.box.ap"]
    assert (len(measure.scratch.values), len(measure.pretrained.values)) == (3, 2)
    assert measure.pairs.keys() == {"0", "2"}
    assert measured(results[place], "loss") is None


def test_if_all_fail_the_first_error_is_the_studys(make_study_results):
    with pytest.raises(RuntimeError, match="all 24 trainings failed; the first: DivergedError"):
        summarize([fail(each) for each in make_study_results()], split="train")


def test_a_setting_of_failures_and_one_seed_are_still_described(make_study_results):
    results = [fail(each) if each["schedule"] == "2x" else each for each in make_study_results(1)]
    value = summarize(results, split="val")
    assert value.to_json()["settings"][-1]["measures"]["loss"]["difference"] == NOTHING
    first = value.settings[0].measures["train.box.ap"]
    assert math.isnan(first.scratch.deviation)
    assert first.difference.value == pytest.approx(0.2)
    assert not first.difference.bounded
    assert value.to_json()["overall"]["train.box.ap"] == NOTHING


def test_masks_are_measured_where_there_are_any(make_study_results):
    value = summarize(make_study_results(2, masks=True), split="train")
    assert value.kinds == ("box", "mask")
    assert {key for key in value.settings[0].measures if "mask" in key} == {
        "val.mask.ap",
        "val.mask.ap50",
        "train.mask.ap",
        "train.mask.ap50",
    }
    boxes = summarize(make_study_results(2), split="train").settings[0].measures
    assert list(boxes) == ["val.box.ap", "val.box.ap50", "train.box.ap", "train.box.ap50", "loss"]
