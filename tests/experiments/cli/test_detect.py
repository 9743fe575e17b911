from pathlib import Path

from experiments.cli.main import main
from experiments.downstream import detect
from experiments.downstream.inputs import BackboneRequest


def test_options_reach_the_training(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(detect, "run_detect", lambda *arguments: seen.append(arguments) or 0)
    words = ["--backbone", "nasnet-a", "--scratch", "--seed", "3", "--workers", "2", "--address", "auto"]
    more = ["--data", "pictures", "--out", str(tmp_path), "--set", "recipe.iterations=9"]
    assert main(["detect", "coco_small", *words, *more]) == 0
    ((request, backbone, out, _),) = seen
    assert (request.source, request.settings, out) == ("coco_small", ("recipe.iterations=9",), tmp_path)
    assert request.changes == {
        ("data", "root"): Path("pictures"),
        ("detection", "seed"): 3,
        ("workers", "num_workers"): 2,
        ("workers", "address"): "auto",
    }
    assert backbone == BackboneRequest("nasnet-a", scratch=True)


def test_it_shows_an_example(capsys):
    assert main(["detect", "--help"]) == 0
    assert "Example: nas detect" in capsys.readouterr().out
