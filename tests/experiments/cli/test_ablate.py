from pathlib import Path

import pytest

from experiments.architectures.find import NetworkOptions
from experiments.training import ablation


@pytest.fixture
def seen(monkeypatch):
    """What `run_ablation`, which has tests of its own, is called with."""
    calls = []
    monkeypatch.setattr(ablation, "run_ablation", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(ablation, "print_ablation", lambda *_: None)
    return calls


def test_options_reach_the_ablation(run_cli, tmp_path, seen):
    words = ["--arch", "nasnet-a", "--seeds", 2, "--workers", 4, "--address", "auto", "--teacher", "b", "--data", "c"]
    assert run_cli("ablate", "cifar10_small", *words, "--out", tmp_path, "--set", "recipe.epochs=1")[0] == 0
    ((request, network, out, _),) = seen
    assert (request.source, request.settings, out) == ("cifar10_small", ("recipe.epochs=1",), tmp_path)
    assert request.changes == {
        ("ablation", "num_seeds"): 2,
        ("data", "root"): Path("c"),
        ("training", "teacher"): "b",
        ("workers", "num_workers"): 4,
        ("workers", "address"): "auto",
    }
    assert network.arch == "nasnet-a"


def test_the_network_is_described_as_for_nas_count(run_cli, seen):
    words = ["--preset", "cifar10", "--stack", "1@96", "--image-size", 16, "--classes", 5]
    assert run_cli("ablate", "cifar10_small", *words, "--parameters", "5M", "--multiply-adds", "600M")[0] == 0
    assert seen[0][1].options == NetworkOptions("cifar10", "1@96", 16, 5, "5M", "600M")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", ""), "it must name a folder, got nothing"),
        (("--seeds", 0), "Invalid value for '--seeds'"),
    ],
)
def test_bad_input_is_one_line(run_cli, seen, words, message):
    code, _, err = run_cli("ablate", "digits_full", "--arch", "nasnet-a", *words)
    assert (code, err.count("\n"), seen) == (2, 1, [])
    assert message in err
