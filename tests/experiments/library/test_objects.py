import numpy as np
import pytest

import nas
from experiments.library.objects import data_section, section, spec_section
from nas import plugins


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(plugins, "_objects", {})
    monkeypatch.setattr(plugins, "_own", set())


def test_names_and_mappings_stay():
    assert section("controller", "ppo") == {"name": "ppo"}
    assert section("controller", {"name": "ppo", "clip": 0.1}) == {"name": "ppo", "clip": 0.1}
    assert plugins._objects == {}


@pytest.mark.parametrize(
    ("what", "value", "name"),
    [
        ("space", nas.NASNET, "nasnet"),
        ("space", nas.TINY, "tiny"),
        ("controller", nas.PPO, "ppo"),
        ("controller", nas.PPOSettings(), "ppo"),
        ("reward", nas.Accuracy, "accuracy"),
        ("reward", nas.Accuracy(), "accuracy"),
        ("evaluator", nas.train_and_validate, "train_and_validate"),
    ],
)
def test_objects_of_this_project_have_their_names(what, value, name):
    assert section(what, value)["name"] == name
    assert plugins._objects == {}


def test_data_has_a_name(tmp_path):
    data = nas.data_set(np.zeros((8, 8, 8), dtype=np.uint8), np.arange(8) % 2)
    name = data_section(data)["name"]
    assert name == data_section(data)["name"]
    assert plugins.find(name) is data
    assert plugins.session().objects == {}  # images reach workers with the evaluator, once
    assert data_section("digits") == {"name": "digits"}
    assert data_section(tmp_path) == {"name": "image_folder", "root": str(tmp_path)}
    assert data_section({"name": "digits"}) == {"name": "digits"}


def test_a_name_of_images_from_python_says_what_to_do():
    with pytest.raises(ValueError, match="stands for images that were given in Python: name images with --data"):
        plugins.find("DataSet:sha256_0123456789abcdef")


def test_specs():
    assert spec_section({"epochs": 3}) == {"epochs": 3}
    assert spec_section(nas.TrainRecipe(epochs=3))["epochs"] == 3
