import json

import pytest
import yaml


def test_select_prints_json_or_a_table(ray_cluster, run_cli, finished_run, tmp_path):
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
        (("--top", 0), "top must be at least 1"),
        (("--grace", 0), "grace_epochs must be at least 1"),
        (("--reduction", 1), "reduction_factor must be above 1"),
        (("--config", "digits_ppo", "--top", 1, "--random", 0), "for `nas train`|for `nas search`"),
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
