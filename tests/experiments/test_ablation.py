import io
import json

import pytest
from rich.console import Console

from experiments import ablation
from experiments.ablation import ladder, markdown_table, print_ablation, run_ablation, summarize
from experiments.config_file import TRAINING, load_document
from experiments.training_config import parse_training
from experiments.training_inputs import TrainOptions
from nas.architecture import Architecture, Block, Cell, Edge
from nas.fidelity import Fidelity, NetworkSpec, TrainRecipe

FULL = Fidelity(
    NetworkSpec(auxiliary=True),
    TrainRecipe(
        epochs=8, warmup_epochs=1, decay_biases=False, mixup=0.2, gradient_clip=0.0, flip=False, crop_padding=0
    ),
)


def test_tricks_are_added_one_at_a_time_up_to_the_recipe():
    rungs = ladder(FULL)
    names = [rung.name for rung in rungs]
    expected = ["warm-up", "no bias decay", "schedule", "auxiliary head", "mixup"]
    assert names == ["plain", *(f"+ {name}" for name in expected)]
    assert rungs[-1].fidelity == FULL
    plain = rungs[0].fidelity
    assert plain.network == NetworkSpec()
    assert (plain.recipe.schedule, plain.recipe.decay_every, plain.recipe.mixup) == ("step", 2.0, 0.0)
    assert rungs[1].fidelity.recipe.warmup_epochs == 1
    assert rungs[1].fidelity.recipe.mixup == 0


def test_the_bag_of_tricks_has_the_rows_of_the_paper():
    fidelity = parse_training(load_document("imagenet_bag_of_tricks", TRAINING)).fidelity
    names = [rung.name.removeprefix("+ ") for rung in ladder(fidelity)]
    paper = ["linear scaling", "warm-up", "zero gamma", "no bias decay", "low precision", "schedule", "label smoothing"]
    assert [name for name in names if name in [*paper, "mixup"]] == [*paper, "mixup"]
    assert "distillation" not in names


def result(top1, *, test=True):
    scores = {"raw": {"top1": top1}, "ema": {"top1": 0.0}}
    return {"chosen": "raw", "test": scores if test else None, "validation": scores}


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
    text = markdown_table(value)
    assert "| + a | 70.00 (" in text
    assert "+10.00 (+10.00 to +10.00)" in text


def test_one_seed_says_nothing_of_the_spread_and_validation_stands_in_for_missing_test_images():
    value = summarize({"plain": [result(0.5, test=False)]})
    assert value["split"] == "validation"
    assert value["rungs"][0]["accuracy"] == {"value": 0.5, "low": None, "high": None}
    assert "| plain | 50.00 |" in markdown_table(value)


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
    options = TrainOptions(str(tmp_path / "cell.json"), tmp_path / "out")
    console = Console(file=io.StringIO(), width=200)
    value = run_ablation(str(tmp_path / "a.yaml"), options, 1, console)
    assert [rung["name"] for rung in value["rungs"]] == ["plain", "+ average of weights"]
    assert json.loads((tmp_path / "out" / "ablation.json").read_text()) == value
    assert (tmp_path / "out" / "01-average-of-weights" / "seed-0" / "result.json").is_file()
    monkeypatch.setattr(ablation, "train_folder", None)  # all is trained
    assert run_ablation(str(tmp_path / "a.yaml"), options, 1, console) == value
    print_ablation(value, console)
    assert "+ average of weights" in console.file.getvalue()
    with pytest.raises(ValueError, match="at least 1 seed"):
        run_ablation(str(tmp_path / "a.yaml"), options, 0, console)
