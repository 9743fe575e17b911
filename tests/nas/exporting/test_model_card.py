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
