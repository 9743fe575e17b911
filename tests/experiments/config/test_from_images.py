import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from experiments.config.from_images import load_images
from experiments.config.kinds import SEARCH, TRAINING
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig
from experiments.config.training_config import TrainingConfig


def load(kind, config, request):
    return load_images(config, resolve(kind, request), request, Console(file=io.StringIO()))


@pytest.mark.parametrize(("kind", "config"), [(SEARCH, SearchConfig), (TRAINING, TrainingConfig)])
def test_images_set_what_is_left_open(kind, config):
    source = "digits_ppo" if kind is SEARCH else "digits_full"
    data, loaded = load(kind, config, ConfigRequest(source, settings=("network.image_size=16",)))
    assert (loaded.network.num_classes, loaded.network.in_channels, loaded.network.image_size) == (10, 1, 16)
    assert data.image_size == (8, 8)


@pytest.mark.parametrize(("kind", "config"), [(SEARCH, SearchConfig), (TRAINING, TrainingConfig)])
def test_a_folder_for_images_that_come_with_a_library_is_refused(kind, config):
    source = "digits_ppo" if kind is SEARCH else "digits_full"
    message = "data set digits comes with a library and is read from no folder, got --data images: omit --data"
    with pytest.raises(ValueError, match=message):
        load(kind, config, ConfigRequest(source, {("data", "root"): Path("images")}))


def test_bad_settings_are_refused_before_images_are_read():
    settings = ("recipe.epochs=0", "data.name=image_folder", "data.root=/no/such/folder")
    with pytest.raises(ValueError, match=r"configuration digits_full: recipe\.epochs"):
        load(TRAINING, TrainingConfig, ConfigRequest("digits_full", settings=settings))


def test_images_are_read_with_a_bar_in_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    for number in range(8):
        folder = tmp_path / "images" / "train" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, dtype=np.uint8)).save(folder / f"{number}.png")
    settings = ("data.name=image_folder", "data.num_train=null", f"data.root={tmp_path / 'images'}")
    request = ConfigRequest("digits_full", settings=settings)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    _, config = load_images(TrainingConfig, resolve(TRAINING, request), request, console)
    assert (config.network.num_classes, config.network.in_channels) == (2, 3)
    assert "reading image_folder" in console.file.getvalue()
