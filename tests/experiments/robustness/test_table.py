"""Printed tables of robustness and divergence."""

from rich.console import Console

from experiments.comparison.statistics import Interval
from experiments.robustness.results import Divergence, LayerDivergence, NetworkDivergence, RobustnessDifference
from experiments.robustness.table import print_divergence, print_robustness


def printed(function, value):
    console = Console(width=120, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as capture:
        function(value, console)
    return capture.get()


def test_one_network(make_network, make_robustness):
    value = make_robustness([make_network("runs/a", 0.9, 0.75, rewarded=["blur"])], num_images=1000)
    text = printed(print_robustness, value)
    assert "runs/a: accuracy (%) on 1,000 images" in text
    assert "75.0 ±1.0" in text
    assert "15.0" in text
    assert "its reward included accuracy under blur" in text
    assert "more drop" not in text


def test_two_networks_with_their_difference(make_network, make_robustness):
    drop = Interval(0.123, 0.103, 0.143)
    difference = RobustnessDifference("runs/b", Interval(0, 0, 0), Interval(-0.1, -0.2, 0), drop)
    networks = [make_network("runs/a", 0.9, 0.8), make_network("runs/b", 0.9, 0.7)]
    text = printed(print_robustness, make_robustness(networks, [difference]))
    assert "12.3 ±2.0" in text
    assert "more drop: than runs/a, on the same images" in text


def test_divergence():
    networks = (NetworkDivergence("runs/a", (LayerDivergence("stem", 1.25, 0.5),)),)
    images = {"used": {"test images": 7}, "left_out": [], "notices": []}
    text = printed(print_divergence, Divergence(7, "add_red 3", "all", networks, images))
    assert text.startswith("data: 7 test images; left out: nothing\n")
    assert "appearance (add_red 3)" in text
    assert "1.2500" in text
    assert "0.5000" in text
