import json

from experiments.study.results import measured
from experiments.study.summary import summarize


def test_json_has_the_keys_of_study_json(make_study_results):
    plain = summarize(make_study_results(masks=True), split="train").to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["kinds"] == ["box", "mask"]
    assert plain["changes"][0].keys() == {"along", "from", "to", "measures"}
    measure = plain["settings"][0]["measures"]["val.mask.ap"]
    assert measure.keys() == {"scratch", "pretrained", "pairs", "difference"}
    assert measure["scratch"].keys() == {"values", "mean", "deviation"}


def test_measures_of_one_training(make_study_results):
    result = make_study_results(1)[0]
    assert measured(result, "train.box.ap50") == result["scores"]["train"]["box"]["ap50"]
    assert measured(result, "train.mask.ap") is None
    assert measured({**result, "error": "no"}, "loss") is None
