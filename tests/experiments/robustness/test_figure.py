"""Figures of robustness and divergence: a panel for each shift, every network in it, distinct names."""

import re

import pytest

from experiments.robustness.figure import draw_divergence, draw_robustness, short_names
from experiments.robustness.results import Divergence, LayerDivergence, NetworkDivergence


@pytest.mark.parametrize("num_shifts", [1, 3, 6])
def test_robustness(num_shifts, make_network, make_robustness, tmp_path):
    chosen = {"shifts": [f"shift{number}" for number in range(num_shifts)], "severities": (1, 3)}
    networks = [make_network(name, 0.9, 0.7, **chosen) for name in ("runs/a", "runs/b@2")]
    draw_robustness(make_robustness(networks, **chosen), tmp_path)
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "robustness.svg").read_text()
    for title in [*chosen["shifts"], "b@2"]:
        assert f"<!-- {title} -->" in text
    assert len(set(re.findall(r"PolyCollection|FillBetweenPolyCollection_\d+", text))) >= 2 * num_shifts


def test_divergence_of_networks_of_different_depth(tmp_path):
    networks = [
        NetworkDivergence(f"network{n}", tuple(LayerDivergence(f"layer{i}", 1 / (i + 1), i) for i in range(n)))
        for n in (2, 5)
    ]
    draw_divergence(Divergence(7, "add_red 3", "cat and dog", tuple(networks)), tmp_path)
    text = (tmp_path / "divergence.svg").read_text()
    for title in ("Appearance", "Content", "between cat and dog", "layer4", "network5"):
        assert f"<!-- {title} -->" in text


def test_short_names_still_differ():
    assert short_names(["runs/a", "runs/b@2", "weights/bn.safetensors"]) == ["a", "b@2", "bn.safetensors"]
    assert short_names(["one/a", "two/a"]) == ["one/a", "two/a"]
    assert short_names(["one/a", "one/a"]) == ["a", "a"]
