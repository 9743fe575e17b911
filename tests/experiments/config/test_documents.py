from __future__ import annotations

import pytest

from experiments.config.documents import (
    apply_setting,
    config_names,
    find_config,
    load_document,
    set_value,
    split_sections,
)
from experiments.config.kinds import ABLATION, DETECTION, SEARCH, STUDY, TOURNAMENT, TRAINING


def test_every_section_is_there_and_names_may_be_short():
    sections = split_sections({"controller": "random", "reward": {"exponent": 0}, "search": None}, SEARCH)
    assert list(sections) == list(SEARCH.sections)
    assert sections["controller"] == {"name": "random"}
    assert sections["reward"] == {"name": "accuracy", "exponent": 0}
    assert sections["space"] == {"name": "nasnet"}
    assert sections["evaluator"] == {"name": "train_and_validate"}
    assert sections["search"] == sections["workers"] == {}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"serch": {}}, "unknown section 'serch'; did you mean search?"),
        ({"search": [1]}, r"section search must be a mapping of settings, got \[1\]"),
        ({"controller": 3}, "section controller must be a mapping"),
        ({"network": "large"}, "section network must be a mapping"),
    ],
)
def test_bad_sections_are_refused(document, message):
    with pytest.raises(ValueError, match=message):
        split_sections(document, SEARCH)


def test_settings_are_applied_as_yaml():
    sections = split_sections({"search": {"seed": 1}}, SEARCH)
    for setting in ("search.seed=7", "space.ops=[identity, conv_1x1]", "workers.resources.tpu=0.5", "data.root=null"):
        apply_setting(sections, setting)
    assert sections["search"] == {"seed": 7}
    assert sections["space"]["ops"] == ["identity", "conv_1x1"]
    assert sections["workers"] == {"resources": {"tpu": 0.5}}
    assert sections["data"] == {"root": None}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.seed", "must have the form section.key=value"),
        ("search=3", "must have the form section.key=value"),
        (".seed=3", "must have the form section.key=value"),
        ("training.seed=3", "unknown section 'training'"),
        ("search.seed=[1", "the value of search.seed is not valid YAML"),
        ("search.seed.more=1", "search.seed.more: seed has no settings of its own"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        apply_setting(split_sections({"search": {"seed": 1}}, SEARCH), setting)


def test_another_name_drops_the_settings_of_the_former_entry():
    section = {"name": "ppo", "batch_size": 7}
    sections = split_sections({"controller": dict(section)}, SEARCH)
    set_value(sections, "controller", "name", "ppo")
    assert sections["controller"] == section
    set_value(sections, "controller", "name", "evolution")
    assert sections["controller"] == {"name": "evolution"}
    sections = split_sections({"controller": dict(section)}, SEARCH)
    for setting in ("controller.name=evolution", "controller.population_size=9"):
        apply_setting(sections, setting)
    assert sections["controller"] == {"name": "evolution", "population_size": 9}
    apply_setting(data := {"data": {"name": "digits", "root": "images"}}, "data.name=image_folder")
    assert data["data"] == {"name": "image_folder", "root": "images"}  # it has the same settings


def test_configurations_come_with_the_package():
    expected = {"digits_ppo", "digits_random", "cifar10_smoke", "cifar10_ppo", "cifar10_random"}
    assert expected <= set(config_names(SEARCH))
    assert load_document("digits_random", SEARCH)["controller"] == {"name": "random"}


def test_a_file_is_found_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_ppo").write_text("search: {num_trials: 1}")
    assert find_config("digits_ppo", SEARCH).read_text() == "search: {num_trials: 1}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digits_pop", "unknown configuration .*'digits_pop'; did you mean digits_ppo?"),
        ("missing.yaml", "there is no file missing.yaml"),
        ("folder/missing", "there is no file folder/missing"),
    ],
)
def test_what_is_neither_file_nor_name_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        find_config(source, SEARCH)


def test_a_bad_file_is_named(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("serch: {}")
    with pytest.raises(ValueError, match="did you mean search") as caught:
        load_document(str(path), SEARCH)
    assert str(caught.value).startswith(str(path))


def test_configurations_of_searches_and_of_trainings_are_told_apart():
    assert not set(config_names(SEARCH)) & set(config_names(TRAINING))
    assert "cifar10_small" in config_names(TRAINING)
    with pytest.raises(
        ValueError, match=r"this is a configuration of `nas search`; those of `nas train` are .*cifar10"
    ):
        load_document("digits_ppo", TRAINING)
    with pytest.raises(
        ValueError, match=r"this is a configuration of `nas train`; those of `nas search` are .*digits_p"
    ):
        load_document("cifar10_small", SEARCH)
    with pytest.raises(ValueError, match=r"unknown section 'search'; .*known: training, network"):
        split_sections({"training": None, "search": {}}, TRAINING)


def test_commands_made_of_trainings_take_their_configurations():
    for kind, taken in ((TOURNAMENT, TRAINING), (ABLATION, TRAINING), (STUDY, DETECTION)):
        assert set(config_names(taken)) <= set(config_names(kind))
    assert list(load_document("digits_full", TOURNAMENT)) == list(TOURNAMENT.sections)
    assert list(load_document("digits_full", ABLATION)) == list(ABLATION.sections)
