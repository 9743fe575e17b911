"""The card beside an exported network."""

from __future__ import annotations

from nas.data.report import DataReport, LeftOut
from nas.export.model_card import model_card
from nas.fidelity import NetworkSpec
from nas.models.presets import PRESETS
from search_spaces.published import PUBLISHED


def test_it_names_cost_and_use() -> None:
    card = model_card(PUBLISHED["nasnet-a"], PRESETS["cifar10"], name="nasnet-a", accuracy=0.9125)
    assert card.startswith("# nasnet-a\n")
    assert "| parameters | 3,346,538 |" in card  # published: 3.3M; the auxiliary head is not counted
    assert "| validation accuracy | 91.25% |" in card
    assert "network = model.load()" in card


def test_an_untrained_network_says_so() -> None:
    card = model_card(PUBLISHED["nasnet-a"], NetworkSpec(num_filters=4, num_repeats=1, num_stages=1))
    assert card.startswith("# A network\n")
    assert "| validation accuracy | untrained |" in card
    assert "model.load()" not in card


def test_it_says_how_the_network_was_trained_and_tested() -> None:
    evaluation = {
        "data": "image_folder",
        "resize": 256,
        "crop": 224,
        "epochs": 30,
        "weights": "ema",
        "test": {"top1": 0.75, "top5": 0.925, "num_images": 50000},
    }
    card = model_card(PUBLISHED["nasnet-a"], NetworkSpec(), accuracy=0.76, evaluation=evaluation)
    assert "| test accuracy | 75.00% (top-5: 92.50%, 50,000 images) |\n" in card
    assert "| evaluated on | images resized to 256 pixels, center crop of 224 x 224 pixels |" in card
    assert (
        "| trained on | image_folder, 30 epochs |\n| weights | the moving average of the weights |\n\n`model.py`"
        in card
    )


def test_the_recipe_is_told_as_it_can_be_given_again() -> None:
    recipe = {"epochs": 30, "batch_size": 64, "learning_rate": 0.1, "mixup": 0.2, "flip": True, "cutout": 0, "x": 1}
    evaluation = {"data": "digits", "epochs": 1, "fine_tuned": True, "recipe": recipe, "seconds": 1234.5}
    card = model_card(PUBLISHED["nasnet-a"], NetworkSpec(), accuracy=0.5, evaluation={**evaluation, "device": "cpu"})
    assert "| trained on | digits, 1 epoch, fine-tuned from an earlier training run |\n" in card
    assert "| recipe | batch_size 64, learning_rate 0.1, mixup 0.2 |\n" in card  # what is off or unknown is left out
    assert "| training time | 1,234 s on cpu |\n" in card


def test_a_checkpoint_cannot_write_into_the_card() -> None:
    evil = "](http://x)<script>|\n# title"
    evaluation = {"recipe": {"schedule": evil, "mixup": [evil]}, "seconds": 1, "device": evil, "data": evil}
    card = model_card(PUBLISHED["nasnet-a"], NetworkSpec(), accuracy=0.5, evaluation=evaluation)
    assert not [part for part in ("<script", "](http", "# title") if part in card]
    assert model_card(PUBLISHED["nasnet-a"], NetworkSpec(), accuracy=0.5, evaluation={"recipe": 3}) is not None


def test_it_says_what_was_used_and_left_out() -> None:
    counts = DataReport({"training images": 1200}, (LeftOut("hidden or system files", 2, ("a/._x.jpg", "y|z")),)).counts
    card = model_card(PUBLISHED["nasnet-a"], NetworkSpec(), accuracy=0.5, evaluation={"images": counts})
    used = "1,200 training images; left out: 2 hidden or system files (a/._x.jpg, y?z)"
    assert f"| images used | {used} |\n" in card
