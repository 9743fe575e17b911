from __future__ import annotations

from pathlib import Path

import pytest
from experiments.search.options import SearchOptions, parse_named, resolve


def test_options_change_the_configuration_and_settings_come_last():
    options = SearchOptions(
        data=Path("images"),
        controller="random",
        trials=7,
        seed=3,
        workers=2,
        address="auto",
        settings=("search.seed=4",),
    )
    document = resolve("cifar10_ppo", options)
    assert document["controller"] == {"name": "random"}
    assert document["search"]["num_trials"] == 7
    assert document["search"]["seed"] == 4
    assert document["data"]["root"] == str(Path("images").resolve())
    assert (document["workers"]["num_workers"], document["workers"]["address"]) == (2, "auto")
    assert parse_named("cifar10_ppo", document, options).search.seed == 4


def test_the_configurations_own_controller_keeps_its_settings():
    document = resolve("cifar10_ppo", SearchOptions(controller="ppo"))
    assert document == resolve("cifar10_ppo", SearchOptions())


def test_what_is_not_valid_is_named():
    options = SearchOptions(settings=("recipe.epochs=0",))
    with pytest.raises(ValueError, match=r"configuration digits_ppo: recipe\.epochs: .*got 0"):
        parse_named("digits_ppo", resolve("digits_ppo", options), options)


def test_a_folder_for_images_that_come_with_a_library_is_refused():
    options = SearchOptions(data=Path("images"))
    with pytest.raises(ValueError, match="data set digits comes with a library and reads no folder, got images"):
        parse_named("digits_ppo", resolve("digits_ppo", options), options)
