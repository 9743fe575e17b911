import pytest

from experiments import training
from experiments.cli import main


def test_options_reach_the_training(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(training, "run_train", lambda source, options, console: seen.append((source, options)) or 0)
    words = [
        "train",
        "cifar10_small",
        "--arch",
        "nasnet-a",
        "--seed",
        "3",
        "--workers",
        "2",
        "--address",
        "auto",
        "--set",
        "recipe.epochs=1",
    ]
    assert main([*words, "--out", str(tmp_path), "--from", "a", "--teacher", "b", "--data", "c"]) == 0
    ((source, options),) = seen
    assert source == "cifar10_small"
    assert (options.arch, options.seed, options.workers, options.address) == ("nasnet-a", 3, 2, "auto")
    assert (options.out, options.start, options.teacher, str(options.data)) == (tmp_path, "a", "b", "c")
    assert options.settings == ("recipe.epochs=1",)


@pytest.mark.parametrize("command", ["train", "evaluate", "ablate"])
def test_each_command_shows_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"Example: nas {command}" in capsys.readouterr().out
