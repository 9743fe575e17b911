"""Fidelities: validation, JSON, and which are comparable."""

from __future__ import annotations

import inspect
import json
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe, complete_stored_data

FULL = Fidelity(
    NetworkSpec(num_classes=7, num_filters=16, stem="imagenet", num_stem_cells=2, auxiliary=True, drop_path=0.3),
    TrainRecipe(epochs=3, learning_rate=0.1, precision="bfloat16", compile=True),
    DataSpec(name="image_folder", root="/data", image_size=32, num_train=1000),
)


@pytest.mark.parametrize("fidelity", [Fidelity(), FULL])
def test_json_keeps_everything(fidelity: Fidelity) -> None:
    value = json.loads(json.dumps(fidelity.to_json(), allow_nan=False))
    assert Fidelity.from_json(value) == fidelity
    assert Fidelity.from_json(value).fingerprint == fidelity.fingerprint


def test_what_is_left_out_has_its_default() -> None:
    assert Fidelity.from_json({}) == Fidelity()
    assert Fidelity.from_json({"network": {"num_filters": 8}}).network == NetworkSpec(num_filters=8)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "a fidelity is not valid at its top"),
        ({"data": {"name": 3}}, r"not valid at data.name"),
        ({"networks": {}}, "not valid at networks"),
        ({"network": {"num_filter": 8}}, r"not valid at network.num_filter"),
        ({"network": {"num_filters": 0}}, r"not valid at network.num_filters"),
        ({"network": {"num_filters": 7}}, "num_filters must be divisible by 2 .* got 7"),
        ({"network": {"num_filters": 6, "num_stem_cells": 2}}, "num_filters must be divisible by 4 .* got 6"),
        ({"network": {"image_size": 7}}, "image_size"),
        ({"network": {"num_filters": 10**6}}, r"network.num_filters: .* less than or equal to 100000"),
        ({"network": {"num_repeats": 10**9}}, r"network.num_repeats: .* less than or equal to 1000"),
        ({"network": {"num_stages": 64}}, r"network.num_stages: .* less than or equal to 16"),
        ({"network": {"stem": "resnet"}}, "stem"),
        ({"network": {"drop_path": 1.0}}, "drop_path"),
        ({"network": {"drop_path": float("nan")}}, "drop_path"),
        ({"network": {"instance_ratio": 1.5}}, "instance_ratio"),
        ({"recipe": {"epochs": 0}}, r"not valid at recipe.epochs"),
        ({"recipe": {"learning_rate": float("inf")}}, "learning_rate"),
        ({"recipe": {"device": "tpu"}}, "device"),
        ({"recipe": None}, "not valid at recipe"),
        ({"data": {"validation_fraction": -0.1}}, r"not valid at data.validation_fraction"),
        ({"data": {"split_seed": -1}}, "split_seed"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Fidelity.from_json(value)
    assert "\n" not in str(caught.value)


def test_each_setting_makes_another_fidelity_but_for_where_the_images_lie() -> None:
    changes: dict[str, dict[str, Any]] = {
        "network": {"num_filters": 64, "dropout": 0.5, "skip_reduction_input": True},
        "recipe": {"epochs": 21, "flip": False, "cutout": 8},
        "data": {"num_train": 100, "split_seed": 1, "name": "cifar10"},
    }
    fingerprints = {Fidelity().fingerprint}
    for part, settings in changes.items():
        for name, setting in settings.items():
            changed = replace(getattr(Fidelity(), part), **{name: setting})
            fingerprints.add(replace(Fidelity(), **{part: changed}).fingerprint)
    assert len(fingerprints) == 10
    assert Fidelity(data=DataSpec(root="/elsewhere")).fingerprint == Fidelity().fingerprint


def test_shared_weights_make_another_fidelity_and_others_keep_their_fingerprint() -> None:
    shared = [replace(Fidelity(), shared_steps=steps) for steps in (0, 1, 20)]
    assert len({each.fingerprint for each in (Fidelity(), *shared)}) == 4
    assert [Fidelity.from_json(each.to_json()) for each in shared] == shared
    assert "shared_steps" not in Fidelity().to_json()
    with pytest.raises(ValueError, match="shared_steps"):
        Fidelity.from_json({"shared_steps": -1})


def test_specs_are_values() -> None:
    assert len({Fidelity(), Fidelity(), FULL}) == 2
    with pytest.raises(FrozenInstanceError):
        NetworkSpec().num_filters = 3  # type: ignore[misc]


@pytest.mark.parametrize("part", [NetworkSpec, TrainRecipe, DataSpec])
def test_every_setting_is_explained(part: type) -> None:
    documented = inspect.cleandoc(part.__doc__ or "")
    assert all(f"\n    {item.name}: " in documented for item in fields(part))


def test_the_split_of_version_0_1_0_is_kept_where_none_is_stored() -> None:
    """Its fidelities have no setting `split`, and their fingerprints stay as they were."""
    stored = {"data": {"name": "image_folder", "num_train": 100}}
    former = Fidelity.from_json(stored)
    assert former.data.split == "shuffled"
    assert "split" not in former.to_json()["data"]
    hashed = replace(former, data=replace(former.data, split="hashed"))
    assert Fidelity.from_json(hashed.to_json()) == hashed
    assert hashed.fingerprint != former.fingerprint
    assert "split" not in Fidelity().to_json()["data"]


def test_settings_of_streamed_photographs_are_stored_where_they_are_used() -> None:
    spec = DataSpec("image_folder", "/data", image_size=256, split="shuffled")
    later = {"on_disk", "streamed", "statistics", "damaged"}
    assert not later & {*Fidelity(data=spec).to_json()["data"]}
    fidelity = Fidelity(data=replace(spec, streamed=True, statistics="imagenet", damaged="skip"))
    value = fidelity.to_json()
    assert later & {*value["data"]} == {"streamed", "statistics", "damaged"}
    assert Fidelity.from_json(value) == fidelity
    assert complete_stored_data({"name": "image_folder", "split": "hashed"})["split"] == "hashed"
    assert complete_stored_data({"name": "digits"}) == {"name": "digits"}
