import pytest

from experiments import ablation, training
from experiments.arch import NetworkOptions
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
    assert not options.network.given


@pytest.mark.parametrize("command", ["train", "ablate"])
def test_the_network_is_described_as_for_nas_count(monkeypatch, command):
    seen = []
    monkeypatch.setattr(training, "run_train", lambda source, options, console: seen.append(options.network) or 0)
    monkeypatch.setattr(ablation, "run_ablation", lambda source, options, *_: seen.append(options.network))
    monkeypatch.setattr(ablation, "print_ablation", lambda *_: None)
    words = ["--preset", "cifar10", "--stack", "1@96", "--image-size", "16", "--classes", "5"]
    assert main([command, "cifar10_small", *words, "--parameters", "5M", "--multiply-adds", "600M"]) == 0
    assert seen == [NetworkOptions("cifar10", "1@96", 16, 5, "5M", "600M")]


@pytest.mark.parametrize("command", ["train", "evaluate", "ablate"])
def test_each_command_shows_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"Example: nas {command}" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--crop", "--resize"])
@pytest.mark.parametrize("number", ["0", "-3", "7"])
def test_images_of_no_size_are_refused(option, number, capsys):
    assert main(["evaluate", "best", "--data", "images", option, number]) == 2
    assert f"Invalid value for '{option}': Input should be greater than or equal to 8" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "ablate"])
def test_a_folder_without_a_name_is_refused(command, capsys):
    assert main([command, "digits_full", "--arch", "nasnet-a", "--out", ""]) == 2
    assert "it must name a folder, got nothing" in capsys.readouterr().err
