from __future__ import annotations

import json
from dataclasses import replace

import pytest

from experiments.config.kinds import ABLATION, SEARCH, TOURNAMENT, TRAINING
from experiments.config.training_config import AblationConfig, TrainingConfig
from experiments.runs import run_folder
from experiments.runs.run_folder import Binding, RunFolder, differences, make_folder, read_object
from nas.ledger.writer import Ledger
from nas.trial import Success
from search_spaces.published import PUBLISHED


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
    assert differences(SEARCH, stored, asked) == [
        "old.x: 1 in the folder, nothing requested",
        "search.seed: 0 in the folder, 1 requested",
    ]


def test_where_a_run_is_resumed_is_no_difference():
    stored = {"data": {"root": "/a", "name": "d"}, "workers": {"num_workers": 2, "resources": {"x": 1}}}
    asked = {"data": {"root": "/b", "name": "d"}, "workers": {"num_workers": 9, "resources": {}}}
    assert differences(SEARCH, stored, asked) == []
    elsewhere = {"runtime_env": {"pip": ["x"]}, "dashboard": True, "recycle_after": 3, "min_workers": 4}
    assert differences(SEARCH, {"workers": {}}, {"workers": elsewhere, "trackers": {"mlflow": True}}) == []
    assert differences(SEARCH, {"workers": {"max_parameters": 1}}, {"workers": {"max_parameters": 2}}) != []


@pytest.mark.parametrize(
    ("kind", "name", "content", "is_bound"),
    [
        (SEARCH, "ledger.jsonl", "", False),
        (SEARCH, "ledger.jsonl", "{}", True),
        (SEARCH, "result.json", "{}", False),
        (TRAINING, "config.yaml", "training: {}", False),
        (TRAINING, "metrics.jsonl", "{}", False),
        (TRAINING, "state.safetensors", "weights", True),
        (TRAINING, "result.json", "", True),
        (TOURNAMENT, "entrants.json", "[]", False),
        (TOURNAMENT, "candidates", None, True),
        (ABLATION, "00-plain", None, True),
    ],
    ids=lambda value: value.command if hasattr(value, "command") else None,
)
def test_a_folder_is_bound_once_something_was_measured(tmp_path, kind, name, content, is_bound):
    folder = RunFolder(tmp_path)
    assert not folder.is_bound(kind)
    folder.path.joinpath(name).mkdir() if content is None else folder.path.joinpath(name).write_text(content)
    assert folder.is_bound(kind) is is_bound


CONFIG = TrainingConfig.parse({"training": {"seed": 1}})
OTHER = TrainingConfig.parse({"training": {"seed": 2}, "workers": {"cpus": 2}})
ELSEWHERE = TrainingConfig.parse({"training": {"seed": 1}, "workers": {"cpus": 2}, "data": {"root": "/b"}})


@pytest.fixture
def bound(tmp_path):
    """The binding of a folder in which a network was trained for an epoch."""
    binding = Binding(RunFolder(tmp_path / "run"), CONFIG, PUBLISHED["nasnet-a"], {"data": "12ab"})
    with binding.hold():
        (binding.folder.path / "state.safetensors").write_text("weights")
    return binding


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.name != ".lock"}


def test_a_folder_is_created_with_all_that_results_depend_on(bound):
    folder = bound.folder
    assert folder.document() == CONFIG.to_document()
    assert folder.stored_architecture() == PUBLISHED["nasnet-a"]
    assert read_object(folder.origin) == {"data": "12ab"}
    assert read_object(folder.environment)["python"]
    before = contents(folder)
    with bound.hold():
        pass
    assert contents(folder) == before


def test_a_folder_takes_settings_that_may_differ(bound):
    with replace(bound, config=ELSEWHERE).hold():
        pass
    assert bound.folder.document()["workers"]["cpus"] == 2
    assert bound.folder.document()["data"]["root"] == "/b"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"config": OTHER}, r"training\.seed: 1 in the folder, 2 requested"),
        (
            {"architecture": PUBLISHED["amoebanet-a"]},
            "architecture: [0-9a-f]{12} in the folder, [0-9a-f]{12} requested",
        ),
        ({"origin": {"data": "34cd"}}, 'data: "12ab" in the folder, "34cd" requested'),
    ],
)
def test_another_run_is_refused_and_changes_nothing(bound, changes, difference):
    before = contents(bound.folder)
    message = rf"holds a run with another configuration \({difference}\); choose another --out"
    with pytest.raises(ValueError, match=message), replace(bound, **changes).hold():
        pass
    assert contents(bound.folder) == before


def test_a_folder_of_another_command_is_refused_even_before_anything_was_measured(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(CONFIG.to_document())
    before = contents(folder)
    other = Binding(folder, AblationConfig.parse({"training": {"seed": 1}}))
    with pytest.raises(ValueError, match="holds a run of `nas train`; choose another --out"), other.hold():
        pass
    assert contents(folder) == before


def test_a_folder_in_which_nothing_was_measured_takes_another_run(bound):
    (bound.folder.path / "state.safetensors").unlink()
    with replace(bound, config=OTHER, architecture=PUBLISHED["amoebanet-a"]).hold():
        pass
    assert bound.folder.document()["training"]["seed"] == 2
    assert bound.folder.stored_architecture() == PUBLISHED["amoebanet-a"]


def test_a_finished_run_keeps_its_configuration(bound):
    (bound.folder.path / "result.json").write_text("{}")
    with replace(bound, config=ELSEWHERE).hold():
        pass
    assert bound.folder.document() == CONFIG.to_document()


def test_a_folder_in_use_is_refused(bound):
    with bound.hold(), pytest.raises(RuntimeError, match="in use"), bound.hold():
        pass


def test_a_configuration_of_the_folder_that_is_broken_is_named(bound):
    bound.folder.config.write_text("training: {sed: 1}")
    with pytest.raises(ValueError, match=r"config\.yaml: unknown key in section training 'sed'"):
        bound.check()
    bound.folder.architecture.write_text("{")
    with pytest.raises(ValueError, match=r"architecture\.json does not describe an architecture"):
        bound.folder.stored_architecture()


def test_a_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match=r"the folder .*file/run cannot be created: Not a directory"):
        make_folder(tmp_path / "file" / "run")


def test_the_last_draws_with_a_success_rank_architectures_if_there_are_any(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    assert folder.ranking == folder.ledger
    for name in ("draws-9.jsonl", "draws-41.jsonl", "draws-x.jsonl", "draws-42.jsonl.lock"):
        (tmp_path / name).touch()
    assert folder.ranking == folder.ledger
    for number in (9, 40):
        with Ledger(folder.draws(number)) as ledger:
            ledger.append_asked([make_trial(0)])
            ledger.append_finished(Success(0, 0.5))
    assert folder.ranking == folder.draws(40) == tmp_path / "draws-40.jsonl"
