from __future__ import annotations

import json

import pytest
import yaml
from PIL import Image

from experiments.cli.main import main
from experiments.config.documents import load_document
from experiments.config.kinds import KINDS, SEARCH
from experiments.config.search_config import SearchConfig
from experiments.guide.configs import explained, shipped_configs
from experiments.guide.init import ImageFolder, fit, write_init
from experiments.guide.plugins import TABLES
from experiments.guide.schema import config_schema
from experiments.guide.settings import CONFIGS, section_class, settings_of
from nas.recipe import TrainRecipe


def test_every_kind_has_its_class():
    assert [config.kind for config in CONFIGS.values()] == list(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.command)
def test_every_setting_has_a_meaning_and_allowed_values(kind):
    for section in kind.sections:
        for name in TABLES[section] if section in kind.named else (None,):
            for setting in settings_of(section_class(kind, section, name)):
                assert setting.meaning, (kind.command, section, name, setting.name)
                assert setting.allowed


def test_a_setting_is_described():
    settings = {each.name: each for each in settings_of(TrainRecipe)}
    assert settings["gradient_clip"].line == (
        "Maximum global norm of the gradient (1707.07012, appendix A.7); 0 disables clipping. Default 5.0; number at "
        "least 0."
    )
    assert settings["schedule"].allowed == "one of cosine, step, exponential, constant"
    assert settings["test_crop"].default == "null"


@pytest.mark.parametrize("config", shipped_configs(), ids=lambda config: config.name)
def test_an_explained_configuration_is_the_same_one(config, tmp_path):
    assert config.purpose
    kind = CONFIGS[config.command].kind
    (tmp_path / "explained.yaml").write_text(explained(config.name))
    parse = CONFIGS[config.command].parse
    again = load_document(str(tmp_path / "explained.yaml"), kind)
    assert parse(again) == parse(load_document(config.name, kind))
    assert not {"num_classes", "in_channels", "image_size"} & set(again["network"]) - set(
        load_document(config.name, kind)["network"]
    )


@pytest.mark.parametrize("command", CONFIGS)
def test_the_schema_names_every_setting(command):
    schema = config_schema(command)
    kind = CONFIGS[command].kind
    assert list(schema["properties"]) == list(kind.sections)
    assert schema["properties"]["network"]["properties"]["num_filters"]["minimum"] == 2
    assert "Default 32" in schema["properties"]["network"]["properties"]["num_filters"]["description"]
    if command == "search":
        controller = schema["properties"]["controller"]["anyOf"][1]["properties"]
        assert "clip" in controller
        assert "ppo" in controller["name"]["anyOf"][0]["enum"]


@pytest.fixture
def photos(tmp_path):
    for label, size in (("cat", (40, 30)), ("dog", (64, 64))):
        folder = tmp_path / "photos" / "train" / label
        folder.mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", size, (index, 0, 0)).save(folder / f"{index}.png")
    return tmp_path / "photos"


def test_init_fits_the_images(photos, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    assert main(["init", "--data", str(photos), str(file)]) == 0
    assert "6 images of 2 classes" in capsys.readouterr().out
    document = load_document(str(file), SEARCH)
    assert document["data"]["root"] == str(photos)
    assert document["data"]["image_size"] == 32
    assert "num_classes" not in document["network"]
    SearchConfig.parse(document)
    assert main(["init", str(file)]) == 2
    assert "exists already; choose another name, or replace it with --force" in capsys.readouterr().err


def test_init_without_images_uses_the_digits(tmp_path):
    write_init(tmp_path / "mine.yaml", None)
    assert yaml.safe_load((tmp_path / "mine.yaml").read_text())["data"]["name"] == "digits"


@pytest.mark.parametrize(
    ("file", "data", "message"), [("a.txt", None, "end in .yaml"), ("a.yaml", ".", "must hold images")]
)
def test_init_refuses(tmp_path, monkeypatch, file, data, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        write_init(tmp_path / file, data and tmp_path / data)
    assert not (tmp_path / file).exists()


def test_a_gpu_gets_the_proxy_of_the_paper(tmp_path):
    images = ImageFolder(10, 60_000, [(32, 32)] * 4)
    document = fit(images, tmp_path, num_gpus=2, num_cpus=8)
    assert (document["recipe"]["epochs"], document["network"]["num_filters"]) == (20, 32)
    assert (document["workers"]["num_workers"], document["workers"]["gpus"]) == (4, 0.5)
    assert document["data"]["num_train"] == 50_000
    assert "image_size" not in document["data"]


def test_commands_print(capsys):
    assert main(["configs"]) == 0
    assert "digits_ppo" in capsys.readouterr().out
    assert main(["configs", "--json"]) == 0
    assert {"digits_ppo", "coco_small"} <= {each["name"] for each in json.loads(capsys.readouterr().out)}
    assert main(["config", "digits_ppo"]) == 0
    assert capsys.readouterr().out.startswith("# The configuration digits_ppo of `nas search`.")
    assert main(["config", "digits_pop"]) == 2
    assert "did you mean digits_ppo" in capsys.readouterr().err
    assert main(["schema", "train"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "configuration of nas train"
    assert main(["schema", "nothing"]) == 2
    assert main(["plugins"]) == 0
    assert "sep_conv_7x7" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--import", "no_such_package"], ["--import=no_such_package"]])
@pytest.mark.parametrize("last", [False, True])
def test_an_import_that_fails_is_one_line(words, last, capsys):
    assert main(["configs", *words] if last else [*words, "configs"]) == 2
    assert "error: the module no_such_package cannot be imported" in capsys.readouterr().err
