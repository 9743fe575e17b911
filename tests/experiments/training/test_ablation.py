import io
import json

import pytest
import yaml
from rich.console import Console

from experiments.config.resolve import ConfigRequest
from experiments.training.ablation import markdown_table, print_ablation, run_ablation, summarize
from experiments.training.inputs import NetworkRequest
from nas.architecture import Architecture, Block, Cell, Edge


def result(top1, *, test=True):
    scores = {"raw": {"top1": top1, "num_images": 50}, "ema": {"top1": 0.0, "num_images": 50}}
    return {"chosen": "raw", "test": scores if test else None, "validation": scores, "seconds": 10 * top1}


def test_gains_are_those_seed_by_seed():
    value = summarize(
        {"plain": [result(0.5), result(0.7)], "+ a": [result(0.6), result(0.8)], "+ b": [result(0.6), result(0.6)]}
    )
    _, first, second = value["rungs"]
    assert first["accuracy"]["value"] == pytest.approx(0.7)
    # every seed gains the same, so there is no spread
    assert [first["gain"][key] for key in ("value", "low", "high")] == pytest.approx([0.1] * 3)
    assert second["gain"]["value"] == pytest.approx(-0.1)
    assert second["total"]["value"] == pytest.approx(0.0)
    assert second["total"]["low"] < 0 < second["total"]["high"]
    assert (first["num_better"], second["num_better"]) == (2, 0)
    assert (first["seconds"], second["seconds"]) == (pytest.approx(7), pytest.approx(6))
    text = markdown_table(value)
    assert text.startswith("Top-1 on 50 test images, mean of 2 seeds with 95% intervals.\n")
    assert "| + a | 70.00 (" in text
    assert "| +10.00 (+10.00 to +10.00) | 2 of 2 | +10.00 (+10.00 to +10.00) | 7.0 |" in text


def test_the_verdict_names_what_is_shown_and_how_much_must_be_there_to_be_seen():
    value = summarize(
        {"plain": [result(0.5), result(0.7)], "+ a": [result(0.6), result(0.8)], "+ b": [result(0.6), result(0.6)]}
    )
    shown, size = value["verdict"]
    # "+ b" loses 0 and 20 points, of which little follows
    assert shown == "Gains over the row above whose interval excludes zero: 1 of 2 (+ a); 0.1 expected by chance."
    assert "one of 50 is 2 points" in size
    same = summarize({"plain": [result(0.5), result(0.7)], "+ b": [result(0.7), result(0.5)]})
    assert "excludes zero: none of 1;" in same["verdict"][0]
    assert summarize({"plain": [result(0.5), result(0.7)]})["verdict"] == []


def test_one_seed_says_nothing_of_the_spread_and_validation_stands_in_for_missing_test_images():
    value = summarize({"plain": [result(0.5, test=False)]})
    assert value["split"] == "validation"
    assert value["rungs"][0]["accuracy"] == {"value": 0.5, "low": None, "high": None}
    assert "| plain | 50.00 |" in markdown_table(value)
    assert markdown_table(value).startswith("Top-1 on 50 validation images, mean of 1 seed.\n")
    both = summarize({"plain": [result(0.5)], "+ a": [result(0.6)]})
    assert both["verdict"] == ["One seed gives no spread over seeds, so no gain can be shown."]


CONFIG = """\
training: {seed: 5}
network: {num_filters: 2, num_repeats: 1, num_stages: 2}
recipe: {epochs: 1, batch_size: 32, crop_padding: 0, flip: false, gradient_clip: 0, precision: float32, ema_decay: 0.5,
         schedule: step, decay_every: 0.25}
data: {name: digits, num_train: 100, validation_fraction: 0.2}
"""


def test_an_ablation_goes_on_where_it_was(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text(CONFIG)
    cell = Cell((Block(Edge(0, "identity"), Edge(1, "conv_1x1")),))
    (tmp_path / "cell.json").write_text(json.dumps(Architecture(cell, cell).to_json()))
    console = Console(file=io.StringIO(), width=200)

    def run(num_seeds):
        request = ConfigRequest(str(tmp_path / "a.yaml"), {("ablation", "num_seeds"): num_seeds})
        return run_ablation(request, NetworkRequest(str(tmp_path / "cell.json")), tmp_path / "out", console)

    value = run(1)
    assert [rung["name"] for rung in value["rungs"]] == ["plain", "+ average of weights"]
    assert json.loads((tmp_path / "out" / "ablation.json").read_text()) == value
    assert (tmp_path / "out" / "01-average-of-weights" / "seed-0" / "result.json").is_file()
    with monkeypatch.context() as patch:
        patch.setattr("experiments.training.run.run_training", None)  # everything is trained
        assert run(1) == value
    print_ablation(value, console)
    said = console.file.getvalue()
    assert "2 recipes, 1 trainings of each" in said
    assert "seed-0: test " in said
    assert "epoch 1 of" not in said  # one line for each training is enough
    assert "One seed gives no spread over seeds" in said
    assert run(2)["num_seeds"] == 2
    seeds = [
        yaml.safe_load((tmp_path / "out" / "00-plain" / f"seed-{seed}" / "config.yaml").read_text())["training"]["seed"]
        for seed in (0, 1)
    ]
    assert seeds == [5, 6]
    with pytest.raises(ValueError, match=r"ablation\.num_seeds: .*greater than or equal to 1, got 0"):
        run(0)
    (tmp_path / "out" / "config.yaml").write_text("training: {}\n")
    with pytest.raises(ValueError, match="holds a run of `nas train`; choose another --out"):
        run(1)
