import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from nas.training.run import TrainingCallbacks
from workers.tune.tournament import Standing


def train_here(candidates, context, rules, *, each, on_epoch):
    """A tournament of one candidate, in this process; that of workers is tested with `experiments.tournament`."""
    (candidate,) = candidates
    records = []
    context.train(candidate, TrainingCallbacks(after_epoch=records.extend))
    return [Standing(candidate.name, tuple(record["validation"]["raw"]["top1"] for record in records))]


def test_select_prints_json_or_a_table(run_cli, finished_run, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.tournament.run.connect", lambda address: nullcontext())
    monkeypatch.setattr("experiments.tournament.run.run_tournament", train_here)
    monkeypatch.setattr(
        "experiments.tournament.run.evaluate_winner", lambda winner, context, *, each: context.train(winner)
    )
    training = {
        "training": {"seed": 0},
        "network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1},
        "recipe": {"epochs": 1, "batch_size": 50},
        "data": {"name": "digits", "num_train": 100, "validation_fraction": 0.25},
    }
    config = tmp_path / "training.yaml"
    config.write_text(yaml.safe_dump(training))
    options = ("--top", 1, "--random", 0, "--config", config, "--out", tmp_path / "out")
    code, out, _ = run_cli("select", finished_run, *options, "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "out" / "tournament.json").read_text())
    code, out, _ = run_cli("select", finished_run, *options)
    assert code == 0
    assert "validation accuracy" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--top", 50), "different successful architectures for --top 50"),
        (("--top", 0), "tournament.top: "),
        (("--grace", 0), "tournament.grace_epochs: "),
        (("--reduction", 1), "tournament.reduction_factor: "),
        (("--config", "digits_ppo", "--top", 1, "--random", 0), "this is a configuration of `nas search`"),
        (("--config", "nothing", "--top", 1, "--random", 0), "unknown configuration"),
        (("--set", "recipe.epoch=3", "--top", 1, "--random", 0), "did you mean epochs"),
    ],
)
def test_bad_input_is_one_line(run_cli, finished_run, tmp_path, options, message):
    config = () if "--config" in options else ("--config", "digits_full")
    code, _, err = run_cli("select", finished_run, *config, *options, "--out", tmp_path / "out")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert any(part in err for part in message.split("|"))
    assert not (tmp_path / "out").exists()


def test_options_reach_the_tournament(run_cli, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("experiments.tournament.run.run_select", lambda *arguments: seen.append(arguments) or {"a": 1})
    words = ["--config", "digits_full", "--out", tmp_path, "--top", 2, "--random", 3, "--grace", 1, "--reduction", 2.5]
    words += ["--data", "d", "--workers", 4, "--address", "auto", "--seed", 5, "--set", "recipe.epochs=1", "--json"]
    code, out, _ = run_cli("select", "run", *words)
    assert (code, json.loads(out)) == (0, {"a": 1})
    ((request, out, _),) = seen
    assert (request.source, request.settings, out) == ("digits_full", ("recipe.epochs=1",), tmp_path)
    assert request.changes == {
        ("tournament", "run"): Path("run"),
        ("tournament", "top"): 2,
        ("tournament", "random"): 3,
        ("tournament", "seed"): 5,
        ("tournament", "grace_epochs"): 1,
        ("tournament", "reduction_factor"): 2.5,
        ("data", "root"): Path("d"),
        ("workers", "num_workers"): 4,
        ("workers", "address"): "auto",
    }
