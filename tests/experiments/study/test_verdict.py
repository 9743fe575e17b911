"""Each sentence follows from the numbers: other numbers, another sentence."""

import pytest

from experiments.study.summary import summarize


@pytest.fixture
def said(make_study_results):
    """The verdict on made-up results, changed one by one."""

    def say(num_seeds=3, change=lambda result: result, **made):
        results = [change(each) for each in make_study_results(num_seeds, **made)]
        return " ".join(summarize(results, split="train").verdict)

    return say


def set_ap(result, ap):
    scores = {**result["scores"], "train": {**result["scores"]["train"], "box": {"ap": ap, "ap50": ap}}}
    return {**result, "scores": scores}


def test_a_lead_that_is_there_is_said_and_where_it_shrinks(said):
    text = said()
    assert "AP on the training images (at most 42.0%): pre-training is better in 4 of 4 settings, significantly" in text
    assert "in 4, and significantly worse in 0; 0.1 of each are expected by chance" in text
    assert "The mean difference over all settings is +15.00 points (+15.00 to +15.00): pre-training is better." in text
    assert "From 1x to 2x, the advantage of pre-training changes by \u221210.00 points" in text
    assert "(\u221210.00 to \u221210.00): it shrinks" in text
    assert "From 5 to 10 images, the advantage of pre-training changes by" in text
    assert "Training loss (lower is better): pre-training is better in 4 of 4 settings" in text
    assert "is \u22120.300 (\u22120.300 to \u22120.300): pre-training is better." in text


def test_where_next_to_nothing_is_found_nothing_is_concluded(said):
    assert (
        "No detector works on 5 validation images: the highest AP is 0.00%, the highest AP50 0.00%. Nothing" in said()
    )
    assert "AP on 5 validation images (at most 2.0%): pre-training is better in 0 of 4 settings" in said(new=0.02)
    text = said(change=lambda each: set_ap(each, 0.001))
    assert "No detector works on the training images: the highest AP is 0.10%" in text


def test_a_lead_of_scratch_is_said(said):
    def swap(each):
        return {**each, "start": {"scratch": "pretrained", "pretrained": "scratch"}[each["start"]]}

    text = said(change=swap)
    assert "pre-training is better in 0 of 4 settings, significantly (the interval excludes 0) in 0, and" in text
    assert "significantly worse in 4" in text
    assert "\u221215.00 points (\u221215.00 to \u221215.00): pre-training is worse" in text
    assert "by +10.00 points (+10.00 to +10.00): it grows" in text


def test_an_interval_that_includes_zero_shows_nothing(said):
    def scatter(each):
        return set_ap(each, 0.3 + (0.1 if each["start"] == "pretrained" and each["seed"] == 0 else 0.0))

    text = said(change=scatter)
    assert "not significant, as the interval includes 0" in text
    assert "of pre-training changes by" in text
    assert "With 3 seeds, the smallest detectable difference in AP on training images is about" in text


def test_one_seed_shows_nothing(said):
    text = said(1)
    assert "with one seed, no difference can be tested" in text
    assert "interval" not in text


def test_failures_come_first_and_leave_too_few_seeds(said):
    def fail(each):
        lost = each["seed"] > 0 and each["schedule"] == "2x" and each["start"] == "scratch"
        return {**each, "error": "ValueError: no"} if lost else each

    text = said(change=fail)
    assert text.startswith(
        "4 of 24 trainings failed and are excluded; the first, scratch-2x-1.0-seed-1: ValueError: no"
    )
    assert "Too few seeds have all settings for a mean over settings." in text
    assert "From 1x to 2x, there are too few seeds to estimate" in text


def test_what_the_paper_needs_is_named_until_there_are_so_many_pictures(said):
    assert "with at most 10 images, this study cannot test the former" in said()
    assert "1811.08883" not in said(change=lambda each: {**each, "num_pictures": 20_000})
