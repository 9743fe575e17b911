"""Each sentence follows from the numbers: other numbers, another sentence."""

import pytest

from experiments.study.summary import summarize


@pytest.fixture
def said(make_study_results):
    """The verdict on made-up results, changed one by one."""

    def say(num_seeds=3, change=lambda result: result, **made):
        results = [change(each) for each in make_study_results(num_seeds, **made)]
        return " ".join(summarize(results, split="train")["verdict"])

    return say


def set_ap(result, ap):
    scores = {**result["scores"], "train": {**result["scores"]["train"], "box": {"ap": ap, "ap50": ap}}}
    return {**result, "scores": scores}


def test_a_lead_that_is_there_is_said_and_where_it_shrinks(said):
    text = said()
    assert "AP on the training pictures, 42.0% at best: pre-training is ahead in 4 of 4 settings; shown" in text
    assert "is that in 4 and the contrary in 0 (0.1 of each would be by chance)" in text
    assert "the mean difference is +15.00 points (+15.00 to +15.00): it is ahead." in text
    assert (
        "From 1x to 2x the lead of pre-training changes by -10.00 points (-10.00 to -10.00): scratch catches up" in text
    )
    assert "From 5 to 10 pictures the lead of pre-training changes by" in text
    assert "Training loss, where less is better: pre-training is ahead in 4 of 4 settings" in text
    assert "the mean difference is -0.300 (-0.300 to -0.300): it is ahead." in text


def test_where_next_to_nothing_is_found_nothing_is_concluded(said):
    assert (
        "On 5 new pictures no detector finds much: the highest AP is 0.00%, the highest AP50 0.00%. Nothing" in said()
    )
    assert "AP on 5 new pictures, 2.0% at best: pre-training is ahead in 0 of 4 settings" in said(new=0.02)
    text = said(change=lambda each: set_ap(each, 0.001))
    assert "On the training pictures no detector finds much: the highest AP is 0.10%" in text


def test_a_lead_of_scratch_is_said(said):
    def swap(each):
        return {**each, "start": {"scratch": "pretrained", "pretrained": "scratch"}[each["start"]]}

    text = said(change=swap)
    assert (
        "pre-training is ahead in 0 of 4 settings; shown, with an interval that leaves out 0, is that in 0 and" in text
    )
    assert "the contrary in 4" in text
    assert "-15.00 points (-15.00 to -15.00): pre-training is behind" in text
    assert "by +10.00 points (+10.00 to +10.00): its lead grows" in text


def test_an_interval_that_includes_zero_shows_nothing(said):
    def scatter(each):
        return set_ap(each, 0.3 + (0.1 if each["start"] == "pretrained" and each["seed"] == 0 else 0.0))

    text = said(change=scatter)
    assert "the interval includes 0, so that neither is shown to be ahead" in text
    assert "the interval includes 0, so that no catching up is shown" in text
    assert "With 3 seeds a difference in AP on training pictures must be about" in text


def test_one_seed_shows_nothing(said):
    text = said(1)
    assert "one seed says nothing of the spread over seeds: no difference is shown" in text
    assert "interval" not in text


def test_failures_come_first_and_leave_too_few_seeds(said):
    def fail(each):
        lost = each["seed"] > 0 and each["schedule"] == "2x" and each["start"] == "scratch"
        return {**each, "error": "ValueError: no"} if lost else each

    text = said(change=fail)
    assert text.startswith(
        "4 of 24 trainings failed and are left out; the first, scratch-2x-1.0-seed-1: ValueError: no"
    )
    assert "Too few seeds have all settings for a mean over them." in text
    assert "From 1x to 2x too few seeds are there to tell" in text


def test_what_the_paper_needs_is_named_until_there_are_so_many_pictures(said):
    assert "with 10 at most, this study cannot test the former" in said()
    assert "1811.08883" not in said(change=lambda each: {**each, "num_pictures": 20_000})
