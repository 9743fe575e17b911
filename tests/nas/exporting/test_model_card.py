"""The card beside an exported network."""

from __future__ import annotations

from nas.exporting.model_card import model_card
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
    assert "| measured on | brought to 256 pixels, of which the middle 224 x 224 pixels are classified |" in card
    assert (
        "| trained on | image_folder, 30 epochs |\n| holds | the moving average of the weights |\n\n`model.py`" in card
    )
