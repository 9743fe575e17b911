import json


def test_json_has_the_keys_of_robustness_json(make_network, make_robustness):
    plain = make_robustness([make_network("a", 0.9, 0.8)]).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain.keys() == {
        "num_images",
        "confidence",
        "seed",
        "severities",
        "shifts",
        "networks",
        "differences",
        "images",
    }
    network = plain["networks"][0]
    assert network["worst"].keys() == {"shift", "severity", "value", "low", "high"}
    assert network["shifts"]["blur"]["3"].keys() == {"accuracy", "drop"}
