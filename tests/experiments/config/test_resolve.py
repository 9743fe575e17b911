from __future__ import annotations

from pathlib import Path

import pytest

from experiments.config.kinds import SEARCH, TRAINING
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig


def test_options_change_the_configuration_and_settings_come_last():
    changes = {
        ("data", "root"): Path("images"),
        ("controller", "name"): "random",
        ("search", "num_trials"): 7,
        ("search", "seed"): 3,
        ("workers", "num_workers"): 2,
        ("workers", "address"): "auto",
    }
    document = resolve(SEARCH, ConfigRequest("cifar10_ppo", changes, ("search.seed=4",)))
    assert document["controller"] == {"name": "random"}
    assert document["search"]["num_trials"] == 7
    assert document["search"]["seed"] == 4
    assert document["data"]["root"] == str(Path("images").resolve())
    assert (document["workers"]["num_workers"], document["workers"]["address"]) == (2, "auto")
    assert SearchConfig.parse(document).search.seed == 4


def test_the_configurations_own_controller_keeps_its_settings(tmp_path):
    (tmp_path / "mine.yaml").write_text("controller: {name: ppo, batch_size: 7}")

    def controller(name, *settings):
        request = ConfigRequest(str(tmp_path / "mine.yaml"), {("controller", "name"): name}, settings)
        return resolve(SEARCH, request)["controller"]

    assert controller(None) == controller("ppo") == {"name": "ppo", "batch_size": 7}
    assert controller("random") == controller(None, "controller.name=random") == {"name": "random"}


def test_what_is_not_valid_is_named():
    document = resolve(SEARCH, ConfigRequest("digits_ppo", settings=("recipe.epochs=0",)))
    with pytest.raises(ValueError, match=r"configuration digits_ppo: recipe\.epochs: .*got 0"):
        SearchConfig.parse(document, source="digits_ppo")


def test_sections_are_replaced_before_options_and_settings():
    request = ConfigRequest(
        "digits_full",
        {("network", "num_classes"): 5},
        ("network.num_repeats=2",),
        sections={"network": {"num_filters": 6, "num_classes": 3}},
    )
    document = resolve(TRAINING, request)
    assert document["network"] == {"num_filters": 6, "num_classes": 5, "num_repeats": 2}


def test_a_folder_gives_what_is_left_open():
    stored = {"data": {"root": "/images", "name": "other"}, "training": {"start": "/weights", "seed": 8}}
    document = resolve(TRAINING, ConfigRequest("digits_full"), stored)
    assert (document["data"]["root"], document["training"]["start"]) == ("/images", "/weights")
    assert document["data"]["name"] == "digits"
    assert document["training"].get("seed") != 8
    named = ConfigRequest("digits_full", {("data", "root"): Path("/others")}, ("training.start=/mine",))
    document = resolve(TRAINING, named, stored)
    assert (document["data"]["root"], document["training"]["start"]) == ("/others", "/mine")


@pytest.mark.parametrize("stored", [None, {}, {"data": 3}, {"training": None, "data": []}])
def test_a_folder_that_gives_nothing_changes_nothing(stored):
    assert resolve(TRAINING, ConfigRequest("digits_full"), stored) == resolve(TRAINING, ConfigRequest("digits_full"))


def test_the_default_folder_has_the_name_of_the_configuration():
    assert ConfigRequest("digits_ppo").default_folder == Path("runs/digits_ppo")
    assert ConfigRequest("/some/where/mine.yaml").default_folder == Path("runs/mine")


def test_further_options_are_added_to_a_request():
    request = ConfigRequest("digits_full", {("a", "b"): 1, ("c", "d"): 2}).changed({("c", "d"): 3, ("e", "f"): 4})
    assert request.changes == {("a", "b"): 1, ("c", "d"): 3, ("e", "f"): 4}
