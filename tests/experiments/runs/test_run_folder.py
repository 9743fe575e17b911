from __future__ import annotations

import json

import pytest

from experiments.runs import run_folder
from experiments.runs.run_folder import RunFolder, differences


def test_config_is_written_whole_and_read_back(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.stored_document() is None
    document = {"search": {"num_trials": 3, "failure_reward": None}, "space": {"ops": ["a", "b"]}}
    folder.write_config(document)
    folder.write_config({**document, "search": {"num_trials": 4}})
    assert folder.stored_document() == {**document, "search": {"num_trials": 4}}
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_a_folder_that_does_not_exist_holds_no_run(tmp_path):
    assert RunFolder(tmp_path / "none").stored_document() is None


def test_half_a_run_folder_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.ledger.write_text("")
    assert folder.stored_document() is None  # a start that ended before its first trial
    folder.ledger.write_text("{}\n")
    with pytest.raises(ValueError, match=r"no config\.yaml"):
        folder.stored_document()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="must be a folder"):
        RunFolder(tmp_path / "file").stored_document()


def test_environment_keeps_continuations_elsewhere(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    machine = {"python": "3.11"}
    monkeypatch.setattr(run_folder, "describe_environment", lambda: dict(machine))
    folder.write_environment()
    folder.write_environment()
    assert json.loads(folder.environment.read_text()) == {"python": "3.11"}
    machine["python"] = "3.12"
    folder.write_environment()
    folder.write_environment()
    assert json.loads(folder.environment.read_text()) == {"python": "3.11", "continued": [{"python": "3.12"}]}


def test_a_broken_environment_file_is_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "describe_environment", lambda: {"python": "3.11"})
    folder = RunFolder(tmp_path)
    for text in ("[1]", "{torn"):
        folder.environment.write_text(text)
        folder.write_environment()
        assert json.loads(folder.environment.read_text()) == {"python": "3.11"}


def test_differences_name_setting_and_both_values():
    stored = {"search": {"seed": 0, "num_trials": 3}, "space": {"ops": ["a"]}, "old": {"x": 1}}
    asked = {"search": {"seed": 1, "num_trials": 9}, "space": {"ops": ["a"]}}
    assert differences(stored, asked) == [
        "old.x: 1 in the folder, nothing asked for",
        "search.seed: 0 in the folder, 1 asked for",
    ]


def test_where_a_run_goes_on_is_no_difference():
    stored = {"data": {"root": "/a", "name": "d"}, "workers": {"num_workers": 2, "resources": {"x": 1}}}
    asked = {"data": {"root": "/b", "name": "d"}, "workers": {"num_workers": 9, "resources": {}}}
    assert differences(stored, asked) == []
    elsewhere = {"runtime_env": {"pip": ["x"]}, "dashboard": True, "recycle_after": 3, "min_workers": 4}
    assert differences({"workers": {}}, {"workers": elsewhere, "trackers": {"mlflow": True}}) == []
    assert differences({"workers": {"max_parameters": 1}}, {"workers": {"max_parameters": 2}}) != []
