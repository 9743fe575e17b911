from pathlib import Path

from experiments.cli.main import main
from experiments.downstream import detect


def test_options_reach_the_training(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(detect, "run_detect", lambda source, options, console: seen.append((source, options)) or 0)
    words = ["--backbone", "nasnet-a", "--scratch", "--seed", "3", "--workers", "2", "--address", "auto"]
    more = ["--data", "pictures", "--out", str(tmp_path), "--set", "recipe.iterations=9"]
    assert main(["detect", "coco_small", *words, *more]) == 0
    ((source, options),) = seen
    assert source == "coco_small"
    assert (options.backbone, options.scratch, options.seed, options.workers) == ("nasnet-a", True, 3, 2)
    assert (options.address, options.data, options.out) == ("auto", Path("pictures"), tmp_path)
    assert options.settings == ("recipe.iterations=9",)


def test_it_shows_an_example(capsys):
    assert main(["detect", "--help"]) == 0
    assert "Example: nas detect" in capsys.readouterr().out
