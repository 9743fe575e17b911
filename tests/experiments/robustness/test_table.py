"""What is printed of robustness and divergence."""

from rich.console import Console

from experiments.robustness.table import print_divergence, print_robustness


def estimate(value, half=0.01):
    return {"value": value, "low": value - half, "high": value + half}


def network(name, clean, shifted, rewarded=()):
    cells = {"3": {"accuracy": estimate(shifted), "drop": estimate(clean - shifted)}}
    return {
        "name": name,
        "clean": estimate(clean),
        "shifts": {"blur": cells},
        "mean": estimate(shifted),
        "drop": estimate(clean - shifted),
        "worst": {"shift": "blur", "severity": 3, **estimate(shifted)},
        "rewarded_for": list(rewarded),
    }


def printed(function, value):
    console = Console(width=120, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as capture:
        function(value, console)
    return capture.get()


def test_one_network():
    value = {
        "num_images": 1000,
        "confidence": 0.95,
        "severities": [3],
        "networks": [network("runs/a", 0.9, 0.75, ["blur"])],
        "differences": [],
    }
    text = printed(print_robustness, value)
    assert "runs/a: accuracy (%) on 1,000 images" in text
    assert "75.0 ±1.0" in text
    assert "15.0" in text
    assert "it was rewarded for accuracy under blur: not a test of those" in text
    assert "more drop" not in text


def test_two_networks_with_their_difference():
    difference = {"name": "runs/b", "clean": estimate(0), "mean": estimate(-0.1), "drop": estimate(0.123, 0.02)}
    value = {
        "num_images": 10,
        "confidence": 0.95,
        "severities": [3],
        "networks": [network("runs/a", 0.9, 0.8), network("runs/b", 0.9, 0.7)],
        "differences": [difference],
    }
    text = printed(print_robustness, value)
    assert "12.3 ±2.0" in text
    assert "more drop: than runs/a, on the same images" in text


def test_divergence():
    layers = [{"name": "stem", "appearance": 1.25, "content": 0.5}]
    value = {"num_images": 7, "shift": "add_red 3", "networks": [{"name": "runs/a", "layers": layers}]}
    text = printed(print_divergence, value)
    assert "appearance (add_red 3)" in text
    assert "1.2500" in text
    assert "0.5000" in text
