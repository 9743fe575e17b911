import json

import pytest

from nas.fidelity import DataSpec, Fidelity, NetworkSpec
from nas.recipe import LATER_SETTINGS, TrainRecipe


def test_ledgers_written_before_a_setting_was_there_keep_their_fingerprint():
    before = Fidelity().to_json()
    assert not set(LATER_SETTINGS) & set(before["recipe"])
    assert Fidelity().fingerprint == "a09a346931ad7ab15652179f50e6bf4e"  # as released in 0.1.0
    assert Fidelity.from_json(json.loads(json.dumps(before))) == Fidelity()


def test_later_settings_and_their_fingerprint_are_those_of_the_first_ledgers_that_hold_them():
    recipe = TrainRecipe(
        epochs=90,
        schedule="step",
        warmup_epochs=5,
        reference_batch=256,
        decay_biases=False,
        mixup=0.2,
        ema_decay=0.9999,
        min_crop_area=0.08,
        test_crop=224,
    )
    data = DataSpec(name="image_folder", root="/x", image_size=256, on_disk=True, split="shuffled")
    fidelity = Fidelity(NetworkSpec(auxiliary=True), recipe, data)
    assert fidelity.fingerprint == "8fd8298598545f15236e7532d7b7e1f4"  # as when these settings were unnamed
    assert len(Fidelity().to_json()["recipe"]) == 16


@pytest.mark.parametrize("name", LATER_SETTINGS)
def test_a_later_setting_that_is_used_is_part_of_the_fingerprint(name):
    other = {
        "schedule": "step",
        "optimizer": "rmsprop",
        "decay_biases": False,
        "zero_gamma": True,
        "sync_norms": True,
        "test_crop": 24,
        "nesterov": False,
        "accumulate": 2,
        "cuda_graph": "never",
    }
    value = other.get(name, 1 if name in {"reference_batch", "num_loaders"} else 0.5)
    fidelity = Fidelity(recipe=TrainRecipe(**{name: value}))
    assert fidelity.to_json()["recipe"][name] == value
    assert fidelity.fingerprint != Fidelity().fingerprint
    assert Fidelity.from_json(fidelity.to_json()) == fidelity


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup_epochs": 5, "epochs": 5}, "warmup_epochs must be below epochs, 5, got 5"),
        ({"mixup": -1}, "mixup"),
        ({"num_threads": 100_000}, "num_threads"),
        ({"schedule": "sometimes"}, "schedule"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"distillation": 1.5}, "distillation"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainRecipe(**settings)


def test_the_rate_grows_in_proportion_to_the_batch():
    assert TrainRecipe(learning_rate=0.1, batch_size=1024, reference_batch=256).peak_rate == pytest.approx(0.4)
    assert TrainRecipe(learning_rate=0.1, batch_size=1024).peak_rate == 0.1


@pytest.mark.parametrize("name", ["min_crop_area", "color_jitter", "lighting", "num_loaders"])
def test_what_is_done_to_single_images_needs_photographs(name):
    assert TrainRecipe(**{name: 1}).needs_photographs
    assert not TrainRecipe().needs_photographs


def test_a_search_has_no_use_for_a_teacher_or_for_averages():
    assert TrainRecipe().beyond_search == ()
    recipe = TrainRecipe(distillation=0.5, ema_decay=0.9, test_crop=32)
    assert recipe.beyond_search == ("distillation", "ema_decay", "test_crop")
