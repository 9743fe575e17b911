"""Pictures of robustness and divergence: a panel for each shift, every network in it, names that differ."""

import re

import pytest

from experiments.robustness.figure import draw_divergence, draw_robustness, short_names


def estimate(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def robustness(num_shifts, names):
    shifts = [f"shift{number}" for number in range(num_shifts)]
    cells = {str(severity): {"accuracy": estimate(0.9 - severity / 10)} for severity in (1, 3)}
    networks = [{"name": name, "clean": estimate(0.9), "shifts": dict.fromkeys(shifts, cells)} for name in names]
    meanings = {shift: {"meaning": "what it means"} for shift in shifts}
    return {"severities": [1, 3], "shifts": meanings, "networks": networks}


@pytest.mark.parametrize("num_shifts", [1, 3, 6])
def test_robustness(num_shifts, tmp_path):
    draw_robustness(robustness(num_shifts, ["runs/a", "runs/b@2"]), tmp_path)
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "robustness.svg").read_text()
    for title in [f"shift{number}" for number in range(num_shifts)] + ["b@2"]:
        assert f"<!-- {title} -->" in text
    assert len(set(re.findall(r"PolyCollection|FillBetweenPolyCollection_\d+", text))) >= 2 * num_shifts


def test_divergence_of_networks_of_different_depth(tmp_path):
    networks = [
        {
            "name": f"network{n}",
            "layers": [{"name": f"layer{i}", "appearance": 1 / (i + 1), "content": i} for i in range(n)],
        }
        for n in (2, 5)
    ]
    draw_divergence({"shift": "add_red 3", "classes": "cat and dog", "networks": networks}, tmp_path)
    text = (tmp_path / "divergence.svg").read_text()
    for title in ("Appearance", "Content", "between cat and dog", "layer4", "network5"):
        assert f"<!-- {title} -->" in text


def test_short_names_still_differ():
    assert short_names(["runs/a", "runs/b@2", "weights/bn.safetensors"]) == ["a", "b@2", "bn.safetensors"]
    assert short_names(["one/a", "two/a"]) == ["one/a", "two/a"]
    assert short_names(["one/a", "one/a"]) == ["a", "a"]
