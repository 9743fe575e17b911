import json

from experiments.downstream.norm_results import NormScores, NormStudy, SeedInterval


def test_json_has_the_keys_of_norms_json():
    scores = {"validation": SeedInterval(0.3, values=(0.3,))}
    study = NormStudy(
        num_seeds=1,
        num_parameters={"bn": 7},
        domains=("validation",),
        looks={"validation": None},
        constant={"validation": {"mean_iou": 0.1, "pixel_accuracy": 0.2}},
        norms=(NormScores("bn", scores, scores, scores),),
    )
    plain = study.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain.keys() == {
        *("num_seeds", "confidence", "num_parameters", "domains", "looks", "constant", "norms"),
    }
    assert plain["norms"][0].keys() == {"name", "mean_iou", "pixel_accuracy", "less_first"}
    assert plain["norms"][0]["mean_iou"]["validation"] == {"value": 0.3, "low": None, "high": None, "values": [0.3]}
