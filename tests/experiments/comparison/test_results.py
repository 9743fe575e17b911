import json
from dataclasses import replace

from experiments.comparison.analysis import compare_strategies


def test_json_has_the_keys_of_its_first_format_and_leaves_out_what_is_not_known(make_strategy):
    comparison = compare_strategies([make_strategy("ppo", seeds=2), make_strategy("random", seeds=2)])
    plain = comparison.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["format"] == 1
    assert not {"objections", "configuration", "environment", "files"} & plain.keys()
    strategy = plain["strategies"][0]
    assert strategy["curves"]["trials"]["incumbent"]["mean"].keys() == {"value", "low", "high"}
    assert "norms" not in strategy
    assert strategy["best"][0].keys() == {"run", "place", "accuracy", "test", "fingerprint"}
    assert strategy["best"][0]["test"] is None
    assert plain["strategies"][1]["gain_over_random"].keys() == {"value", "low", "high"}


def test_the_best_can_be_described_further(make_strategy):
    comparison = compare_strategies([make_strategy("ppo", seeds=1)]).with_best(lambda best: replace(best, trial=7))
    assert {best["trial"] for best in comparison.to_json()["strategies"][0]["best"]} == {7}
