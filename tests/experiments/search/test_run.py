from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from experiments.architectures.find import find_architecture
from experiments.comparison.loading import load_run
from experiments.config.resolve import ConfigRequest
from experiments.library.run import load_run as load_found
from experiments.runs.run_folder import RunFolder
from experiments.search.run import INTERRUPTED, run_search
from experiments.search.status import run_status
from nas.files.storage import StorageError
from nas.ledger.writer import Ledger, read_ledger
from nas.models.checkpoint import load_checkpoint
from nas.trial import Failure, Success

TINY = {
    "space": "tiny",
    "controller": "random",
    "search": {"num_trials": 4, "seed": 3},
    "network": {"num_filters": 4, "num_repeats": 1, "num_stages": 1},
    "recipe": {"epochs": 1, "batch_size": 32, "flip": False},
    "data": {"name": "digits", "num_train": 120, "validation_fraction": 0.25},
    "workers": {"pool": "serial", "keep_weights": 2},
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return str(path)


OPTIONS = {
    "data": ("data", "root"),
    "controller": ("controller", "name"),
    "trials": ("search", "num_trials"),
    "seed": ("search", "seed"),
    "address": ("workers", "address"),
}


def _search(config, out, *, console=None, settings=(), **options) -> tuple[int, str]:
    stream = io.StringIO()
    console = console or Console(file=stream, width=200)
    changes = {OPTIONS[name]: value for name, value in options.items()}
    code = run_search(ConfigRequest(config, changes, tuple(settings)), out, console)
    return code, stream.getvalue()


def _measured_at_once(trial, **_arguments):
    """Stands for a training where the course of a search is what is tested."""
    return Success(trial.id, 0.1 + trial.id % 7 / 10, 1000, 10_000, 0.1)


@pytest.fixture
def quick(set_evaluator):
    set_evaluator(_measured_at_once)


def test_cells_of_nasbench201_are_trained_and_resumed(tmp_path):
    """The space needs no table: its networks are built and trained as those of any other space."""
    path = tmp_path / "edges.yaml"
    path.write_text(yaml.safe_dump({**TINY, "space": "nasbench201", "search": {"num_trials": 1, "seed": 3}}))
    assert _search(str(path), tmp_path / "run")[0] == 0
    code, text = _search(str(path), tmp_path / "run", trials=2)
    assert code == 0
    assert "2 trials" in text
    source = find_architecture(str(tmp_path / "run"))
    assert source.architecture.to_json()["arch"].startswith("|")
    assert load_checkpoint(source.weights).network.architecture == source.architecture


RUNGS = {"epochs": [1, 2], "eta": 2}


def _with_rungs(tmp_path, **search):
    path = tmp_path / "rungs.yaml"
    value = {**TINY, "search": {"num_trials": 6, "seed": 3, "rungs": RUNGS, **search}}
    path.write_text(yaml.safe_dump({**value, "recipe": {**TINY["recipe"], "epochs": 3}}))
    return str(path)


def _events(folder):
    """The lines of a ledger without times, which differ between runs."""
    lines = []
    for line in (folder / "ledger.jsonl").read_text().splitlines():
        event = json.loads(line)
        outcome = event.get("outcome") or event.get("report", {}).get("outcome") or {}
        for value in (event, outcome):
            value.pop("time", None)
            value.pop("train_seconds", None)
        lines.append(event)
    return lines


def test_weak_trials_are_stopped_at_rungs(tmp_path):
    assert _search(_with_rungs(tmp_path), tmp_path / "run")[0] == 0
    contents = read_ledger(tmp_path / "run" / "ledger.jsonl")
    stopped = {record.trial.id: record.outcome.stopped_after for record in contents.finished}
    assert {1} <= set(stopped.values()) <= {1, 2, None}
    assert None in stopped.values()
    for report in contents.reports:
        ends_here = stopped[report.outcome.trial_id] == report.num_epochs
        assert report.goes_on != ends_here
    assert not list((tmp_path / "run" / "states").glob("*"))
    best = contents.best(1)[0]
    assert best.outcome.stopped_after is None
    assert find_architecture(str(tmp_path / "run")).weights is not None
    status = run_status(tmp_path / "run")
    assert status.num_stopped == sum(epochs is not None for epochs in stopped.values())
    assert status.num_epochs == sum(3 if epochs is None else epochs for epochs in stopped.values())


@pytest.mark.parametrize("num_lines", [4, 6, 9])
def test_a_search_with_rungs_is_continued_after_any_line(tmp_path, num_lines):
    """A killed driver leaves the first lines of the ledger; what follows is as if it had not been killed."""
    config = _with_rungs(tmp_path, num_trials=4)
    assert _search(config, tmp_path / "whole")[0] == 0
    lines = (tmp_path / "whole" / "ledger.jsonl").read_text().splitlines(keepends=True)
    assert _search(config, tmp_path / "cut", trials=1)[0] == 0
    (tmp_path / "cut" / "ledger.jsonl").write_text("".join(lines[:num_lines]))
    assert _search(config, tmp_path / "cut")[0] == 0
    assert _events(tmp_path / "cut") == _events(tmp_path / "whole")


SCORED = {"epochs": [1], "eta": 2, "scores": ["synflow", "jacobian_covariance"]}


def test_scores_stop_trials_of_a_search_that_is_continued(tmp_path):
    """Real scores and trainings; the second run is cut where its third trial has been scored and goes on or not."""
    config, short = _with_rungs(tmp_path, rungs=SCORED, num_trials=4), ("recipe.epochs=2",)
    assert _search(config, tmp_path / "whole", settings=short)[0] == 0
    contents = read_ledger(tmp_path / "whole" / "ledger.jsonl")
    stopped = {record.trial.id: record.outcome.stopped_after for record in contents.finished}
    assert {0, None} <= set(stopped.values()) <= {0, 1, None}
    scored = [report for report in contents.reports if report.num_epochs == 0]
    distinct = [record.trial.id for record in contents.finished if not record.outcome.cached]
    assert [report.outcome.trial_id for report in scored] == distinct
    for report in scored:
        assert (report.outcome.accuracy, set(report.outcome.metrics)) == (0.0, set(SCORED["scores"]))
        assert report.goes_on == (stopped[report.outcome.trial_id] != 0)
    status = run_status(tmp_path / "whole")
    assert status.num_only_scored == list(stopped.values()).count(0)
    assert not {row.trial for row in status.best} & {trial for trial, epochs in stopped.items() if epochs == 0}
    lines = (tmp_path / "whole" / "ledger.jsonl").read_text().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if json.loads(line).get("report", {}) == scored[2].to_json())
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (tmp_path / "cut" / "ledger.jsonl").write_text("".join(lines[: place + 1]))
    assert _search(config, tmp_path / "cut", settings=short)[0] == 0
    assert _events(tmp_path / "cut") == _events(tmp_path / "whole")


def _scored_at_once(trial, *, states_dir, scoring):
    """Scores and accuracies that follow from the trial, in which the scores deceive."""
    assert states_dir
    values = {name: float((trial.id * 7 + place * 5) % 11) for place, name in enumerate(scoring.scores)}
    if trial.until_epoch == 0:
        return Success(trial.id, 0.0, 1000, 10_000, 0.1, metrics=values)
    return Success(trial.id, 0.1 + trial.id % 7 / 10, 1000, 10_000, 1.0, metrics={"shifted_accuracy": 0.25})


@pytest.fixture
def scored_at_once(set_evaluator):
    set_evaluator(_scored_at_once, takes=("states_dir", "scoring"))


@pytest.mark.usefixtures("scored_at_once")
def test_a_search_with_scores_is_continued_if_scored_trials_have_no_reward(tmp_path):
    config = _with_rungs(tmp_path, rungs=SCORED)
    rewarded = ("reward.name=shifted_accuracy", "shifts.reward=[contrast]")
    assert _search(config, tmp_path / "whole", settings=rewarded)[0] == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    lines = (tmp_path / "whole" / "ledger.jsonl").read_text().splitlines(keepends=True)
    expected = _events(tmp_path / "whole")
    assert any(event.get("outcome", {}).get("stopped_after") == 0 for event in expected)
    for num_lines in range(3, len(lines), 5):
        (tmp_path / "cut" / "ledger.jsonl").write_text("".join(lines[:num_lines]))
        assert _search(config, tmp_path / "cut", settings=rewarded)[0] == 0
        assert _events(tmp_path / "cut") == expected, num_lines


@pytest.mark.usefixtures("scored_at_once")
def test_the_incumbent_is_no_trial_that_was_only_scored(tmp_path):
    config = _with_rungs(tmp_path, rungs={**SCORED, "epochs": [0]}, num_trials=12)
    code, text = _search(config, tmp_path / "run")
    contents = read_ledger(tmp_path / "run" / "ledger.jsonl")
    trained = [record for record in contents.finished if record.outcome.stopped_after is None]
    assert 0 < len(trained) < 12
    best = max(trained, key=lambda record: (record.outcome.accuracy, -record.trial.id))
    assert code == 0
    assert f"best: trial {best.trial.id} with {best.outcome.accuracy:.2%}" in text
    frame = load_found(tmp_path / "run").frame()
    assert frame["accuracy"].count() == frame["reward"].count() == len(trained)
    assert (frame["stopped_after"] == 0).sum() == 12 - len(trained)


@pytest.mark.ray
def test_rungs_on_ray_give_what_one_process_gives(tmp_path, ray_cluster):
    config = _with_rungs(tmp_path, deterministic=True, ordered_batch=2, num_trials=4)
    assert _search(config, tmp_path / "serial")[0] == 0
    ray = ("workers.pool=ray", "workers.num_workers=2")
    assert _search(config, tmp_path / "ray", settings=ray)[0] == 0
    one, two = (
        {record.trial.id: record for record in read_ledger(tmp_path / name / "ledger.jsonl").finished}
        for name in ("serial", "ray")
    )
    for trial_id, record in one.items():
        other = two[trial_id]
        assert record.trial == other.trial
        assert (record.outcome.accuracy, record.outcome.stopped_after) == (
            other.outcome.accuracy,
            other.outcome.stopped_after,
        )


def test_a_serial_search_on_real_images_to_the_end(tmp_path, config):
    code, said = _search(config, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    contents = read_ledger(folder.ledger)
    assert code == 0
    assert len(contents.finished) == 4
    assert all(isinstance(record.outcome, Success) for record in contents.finished)
    best = contents.best(1)[0]
    assert f"best: trial {best.trial.id} with {best.outcome.accuracy:.2%}" in said.splitlines()[-1]
    assert "nas export" in said.splitlines()[-1]
    document = folder.stored_document()
    assert document is not None
    assert document["network"]["in_channels"] == 1  # taken from the images
    assert (document["network"]["image_size"], document["network"]["num_classes"]) == (8, 10)
    assert json.loads(folder.environment.read_text())["packages"]["torch"]
    kept = {path.name for path in folder.weights.iterdir()}
    assert kept == {folder.trial_weights(record.trial.id).name for record in contents.best(2)}
    source = find_architecture(str(folder.path))
    assert source.weights is not None
    assert load_checkpoint(source.weights).accuracy == best.outcome.accuracy


@dataclass(frozen=True)
class _Scale:
    """Settings of an evaluator from outside."""

    factor: float = 1.0


def test_an_evaluator_from_outside_gets_its_settings_and_what_it_takes(tmp_path, config, set_evaluator):
    seen = []

    def measure(trial, **arguments):
        seen.append(arguments)
        return Success(trial.id, 0.1 * arguments["settings"].factor)

    set_evaluator(measure, "scaled", takes=("data", "max_parameters"), settings=_Scale)
    settings = ["evaluator.name=scaled", "evaluator.factor=3", "workers.max_parameters=7"]
    assert _search(config, tmp_path / "run", trials=2, settings=settings)[0] == 0
    assert all(arguments.keys() == {"data", "max_parameters", "settings"} for arguments in seen)
    assert (seen[0]["data"].image_size, seen[0]["max_parameters"], seen[0]["settings"]) == ((8, 8), 7, _Scale(3.0))
    document = RunFolder(tmp_path / "run").document()
    assert document["evaluator"] == {"name": "scaled", "factor": 3.0}
    outcomes = [record.outcome for record in read_ledger(RunFolder(tmp_path / "run").ledger).finished]
    assert {round(outcome.accuracy, 6) for outcome in outcomes} == {0.3}
    with pytest.raises(ValueError, match="unknown key in section evaluator 'factr'; did you mean factor"):
        _search(config, tmp_path / "new", settings=["evaluator.name=scaled", "evaluator.factr=3"])


@pytest.mark.ray
def test_the_same_search_through_ray(tmp_path, config, ray_cluster):
    code, _ = _search(config, tmp_path / "run", settings=["workers.pool=ray"], trials=3)
    contents = read_ledger(RunFolder(tmp_path / "run").ledger)
    assert code == 0
    assert [type(record.outcome) for record in contents.finished] == [Success] * 3


def _decisions(folder: Path) -> list[tuple[int, ...]]:
    records = sorted(read_ledger(RunFolder(folder).ledger).finished, key=lambda record: record.trial.id)
    return [record.trial.rollout.decisions for record in records]


@pytest.mark.parametrize("controller", ["random", "ppo", "evolution"])
def test_a_run_is_continued_as_if_it_had_not_stopped(tmp_path, config, quick, controller):
    settings = ["controller.batch_size=5"] if controller == "ppo" else []
    options = {"controller": controller, "settings": settings}
    assert _search(config, tmp_path / "whole", trials=30, **options)[0] == 0
    for trials in (7, 12, 30):
        assert _search(config, tmp_path / "parts", trials=trials, **options)[0] == 0
    assert _decisions(tmp_path / "parts") == _decisions(tmp_path / "whole")
    document = RunFolder(tmp_path / "parts").stored_document()
    assert document is not None
    assert document["search"]["num_trials"] == 30


def test_a_finished_run_says_so_and_stays_as_it_is(tmp_path, config, quick):
    _search(config, tmp_path / "run")
    before = RunFolder(tmp_path / "run").ledger.read_bytes()
    code, said = _search(config, tmp_path / "run")
    assert code == 0
    assert "is finished" in said
    assert "best: trial" in said
    assert RunFolder(tmp_path / "run").ledger.read_bytes() == before
    assert _search(config, tmp_path / "run", trials=2)[0] == 0
    document = RunFolder(tmp_path / "run").stored_document()
    assert document is not None
    assert document["search"]["num_trials"] == 4


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"seed": 4}, "search.seed: 3 in the folder, 4 requested"),
        ({"controller": "ppo"}, 'controller.name: "random" in the folder, "ppo" requested'),
        ({"settings": ["recipe.epochs=2"]}, "recipe.epochs: 1 in the folder, 2 requested"),
        ({"settings": ["workers.max_parameters=5"]}, "workers.max_parameters: null in the folder, 5 requested"),
        ({"settings": ["network.num_classes=12"]}, "network.num_classes: 10 in the folder, 12 requested"),
    ],
)
def test_another_configuration_is_refused_with_the_difference(tmp_path, config, quick, options, difference):
    _search(config, tmp_path / "run")
    with pytest.raises(ValueError, match="another configuration") as caught:
        _search(config, tmp_path / "run", **options)
    assert difference in str(caught.value)


def test_a_run_may_go_on_elsewhere(tmp_path, config, quick):
    _search(config, tmp_path / "run")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = ["workers.num_workers=3", "workers.keep_weights=0", f"data.root={elsewhere}"]
    assert _search(config, tmp_path / "run", trials=5, settings=settings)[0] == 0
    assert _search(config, tmp_path / "run", trials=6)[0] == 0  # the folder remembers where the images lie
    document = RunFolder(tmp_path / "run").stored_document()
    assert document is not None
    assert document["data"]["root"] == str(elsewhere)


def test_a_folder_in_use_is_refused(tmp_path, config, quick):
    _search(config, tmp_path / "run")
    with Ledger(RunFolder(tmp_path / "run").ledger), pytest.raises(RuntimeError, match="in use"):
        _search(config, tmp_path / "run", trials=9)


def test_a_configuration_of_the_folder_that_is_broken_is_named(tmp_path, config, quick):
    _search(config, tmp_path / "run")
    path = RunFolder(tmp_path / "run").config
    path.write_text(path.read_text().replace("num_filters", "num_filter"))
    with pytest.raises(ValueError, match="did you mean num_filters") as caught:
        _search(config, tmp_path / "run")
    assert str(path) in str(caught.value)


def test_bad_input_leaves_no_folder_behind(tmp_path, config):
    for options in ({"trials": -3}, {"data": tmp_path / "none", "settings": ["data.name=image_folder"]}):
        with pytest.raises(ValueError, match=r"search\.num_trials|there is no folder"):
            _search(config, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_for_images_that_come_with_a_library_is_refused(tmp_path, config):
    with pytest.raises(ValueError, match=r"data set digits comes with a library and is read from no folder"):
        _search(config, tmp_path / "run", data=tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, config, quick):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match=r"the folder .*file/run cannot be created: Not a directory"):
        _search(config, tmp_path / "file" / "run")


def test_the_advice_can_be_pasted_into_a_shell(tmp_path, config, quick):
    _, text = _search(config, tmp_path / "my run")
    assert (
        f"try: nas status '{tmp_path}/my run', or nas export '{tmp_path}/my run' --out '{tmp_path}/my run/best'" in text
    )


def test_networks_must_fit_the_images(tmp_path, config):
    with pytest.raises(ValueError, match=r"network\.in_channels must be 1"):
        _search(config, tmp_path / "run", settings=["network.in_channels=3"])


def test_without_out_the_run_lies_under_the_name_of_the_configuration(tmp_path, config, quick, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _search(config, None)[0] == 0
    assert (tmp_path / "runs" / "tiny" / "ledger.jsonl").exists()


def test_networks_over_a_bound_are_not_trained(tmp_path, config):
    code, said = _search(config, tmp_path / "run", trials=2, settings=["workers.max_parameters=10"])
    outcomes = [record.outcome for record in read_ledger(RunFolder(tmp_path / "run").ledger).finished]
    assert code == 1
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, Failure)] == ["too_large"] * 2
    assert "2 trials, none successful; the last failure is too_large: " in said
    assert _search(config, tmp_path / "run", trials=2, settings=["workers.max_parameters=10"])[0] == 1


def test_deterministic_runs_tell_in_batches(tmp_path, config, quick):
    settings = ["search.deterministic=true", "search.ordered_batch=3"]
    assert _search(config, tmp_path / "run", trials=7, settings=settings)[0] == 0
    assert len(_decisions(tmp_path / "run")) == 7


def test_a_full_disk_stops_the_search_and_the_same_command_goes_on(tmp_path, config, quick, monkeypatch):
    write, num_written = os.write, []

    def write_a_little(descriptor, data):
        if len(num_written) == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        num_written.append(write(descriptor, data))
        return num_written[-1]

    with monkeypatch.context() as patch:
        patch.setattr("nas.files.append_file.os.write", write_a_little)
        with pytest.raises(RuntimeError, match="cannot be written: No space left on device; everything recorded"):
            _search(config, tmp_path / "run", trials=9)
    contents = read_ledger(RunFolder(tmp_path / "run").ledger)
    assert contents.warning is None
    assert 0 < len(contents.finished) < 9
    assert _search(config, tmp_path / "run", trials=9)[0] == 0
    _search(config, tmp_path / "whole", trials=9)
    assert _decisions(tmp_path / "run") == _decisions(tmp_path / "whole")


def test_weights_that_find_no_room_stop_the_search_and_are_no_outcome(tmp_path, config, monkeypatch):
    out, write, sizes = tmp_path / "run", os.fsync, []

    def full(descriptor):
        if "trial-2" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            sizes.append(os.fstat(descriptor).st_size)
            raise OSError(errno.ENOSPC, "No space left on device")
        write(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"trial-2.safetensors cannot be written: No space left on device"):
            _search(config, out)
    assert sizes
    contents = read_ledger(out / "ledger.jsonl")
    assert [(each.trial.id, type(each.outcome)) for each in contents.finished] == [(0, Success), (1, Success)]
    assert [trial.id for trial in contents.pending] == [2]
    assert _search(config, out)[0] == 0
    assert [type(each.outcome) for each in read_ledger(out / "ledger.jsonl").finished] == [Success] * 4


def test_a_folder_that_is_removed_meanwhile_stops_the_search(tmp_path, config, set_evaluator):
    out = tmp_path / "run"

    def remove(trial, **_):
        if trial.id == 1:
            shutil.rmtree(out)
        return Success(trial.id, 0.5)

    set_evaluator(remove)
    with pytest.raises(StorageError, match=r"ledger.jsonl was moved, removed or replaced"):
        _search(config, out)
    assert not out.exists()


def test_a_finished_run_on_a_disk_that_is_read_only_is_shown(tmp_path, config, quick, monkeypatch):
    out = tmp_path / "run"
    _search(config, out)
    before = sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, text = _search(config, out)
    assert code == 0
    assert "run is finished" in text
    assert "4 trials, best: trial " in text
    with pytest.raises(StorageError, match="must be writable: the search in it is not finished"):
        _search(config, out, trials=5)
    assert sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*")) == before


def test_secrets_are_readable_by_this_user_only_and_not_shown(tmp_path, config, quick):
    out = tmp_path / "run"
    _search(
        config, out, settings=["workers.runtime_env.env_vars={TOKEN: abc123}", "trackers.mlflow_uri=http://me:pw@host"]
    )
    assert stat.S_IMODE((out / "config.yaml").stat().st_mode) == 0o600
    shown = json.dumps(dict(load_run(out).settings))
    assert "abc123" not in shown
    assert "pw@" not in shown
    assert "http://me:***@host" in shown
    document = yaml.safe_load((out / "config.yaml").read_text())
    assert document["workers"]["runtime_env"]["env_vars"] == {"TOKEN": "abc123"}


def test_a_torn_line_is_dropped_with_a_warning(tmp_path, config, quick):
    _search(config, tmp_path / "run")
    with RunFolder(tmp_path / "run").ledger.open("a") as file:
        file.write('{"event": "ask')
    code, said = _search(config, tmp_path / "run", trials=5)
    assert code == 0
    assert "warning: " in said
    assert len(_decisions(tmp_path / "run")) == 5


def _interrupting(at: int, times: int):
    def evaluate(trial, **_arguments):
        for _ in range(times if trial.id == at else 0):
            os.kill(os.getpid(), signal.SIGINT)
        return _measured_at_once(trial)

    return evaluate


def test_ctrl_c_once_waits_for_the_trial_in_flight(tmp_path, config, set_evaluator):
    set_evaluator(_interrupting(at=2, times=1))
    code, said = _search(config, tmp_path / "run", trials=8)
    contents = read_ledger(RunFolder(tmp_path / "run").ledger)
    assert code == INTERRUPTED
    assert "stopping" in said
    assert "Run the same command to resume." in said
    assert {record.trial.id for record in contents.finished} >= {0, 1, 2}
    assert not contents.pending
    assert _search(config, tmp_path / "run", trials=8)[0] == 0
    assert len(_decisions(tmp_path / "run")) == 8


def test_ctrl_c_twice_lets_go_of_the_trial_in_flight(tmp_path, config, set_evaluator):
    set_evaluator(_interrupting(at=2, times=2))
    code, said = _search(config, tmp_path / "run", trials=8)
    contents = read_ledger(RunFolder(tmp_path / "run").ledger)
    assert code == INTERRUPTED
    assert "abandoned 1 running trials" in said
    assert [record.trial.id for record in contents.finished] == [0, 1]
    assert 2 in [trial.id for trial in contents.pending]
    set_evaluator(_measured_at_once)
    assert _search(config, tmp_path / "run", trials=8)[0] == 0
    assert len(_decisions(tmp_path / "run")) == 8


def test_ctrl_c_in_a_process_of_its_own(tmp_path, config):
    command = [sys.executable, "-m", "experiments.cli", "search", config, "--out", str(tmp_path / "run")]
    process = subprocess.Popen([*command, "--trials", "100000"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(60, process.kill)
    timer.start()
    ledger = RunFolder(tmp_path / "run").ledger
    while process.poll() is None and not (ledger.exists() and len(read_ledger(ledger).finished) >= 2):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0].decode()
    timer.cancel()
    assert process.returncode == INTERRUPTED, output
    assert "Traceback" not in output
    assert not read_ledger(ledger).pending


def test_folders_of_images_are_read_with_a_bar_in_a_terminal(tmp_path, config, quick, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / "images" / "train" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=100)
    settings = ["data.name=image_folder", "data.num_train=null"]
    code, _ = _search(config, tmp_path / "run", data=tmp_path / "images", settings=settings, console=console)
    document = RunFolder(tmp_path / "run").stored_document()
    assert code == 0
    assert document is not None
    assert (document["network"]["num_classes"], document["network"]["in_channels"]) == (2, 3)
    assert document["data"]["root"] == str(tmp_path / "images")
    assert "reading image_folder" in stream.getvalue()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["recipe.device=cuda"], "needs a GPU"),
        (["recipe.precision=float16"], "float16 needs CUDA"),
        (["recipe.device=cuda", "workers.pool=ray"], "gpus must be above 0 for recipe.device cuda"),
    ],
)
def test_what_every_trial_would_fail_for_is_refused_before_the_first(config, tmp_path, monkeypatch, settings, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises((RuntimeError, ValueError), match=message):
        _search(config, tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


def test_a_start_without_a_trial_does_not_bind_the_folder(config, tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise RuntimeError("no Ray cluster answers")

    out = tmp_path / "run"
    monkeypatch.setattr("workers.cluster.connection.connect", refuse)
    with pytest.raises(RuntimeError, match="no Ray cluster answers"):
        _search(config, out, address="127.0.0.1:1", settings=["workers.pool=ray"])
    assert read_ledger(out / "ledger.jsonl").finished == []
    assert _search(config, out, settings=["recipe.learning_rate=0.01", "search.num_trials=1"])[0] == 0
    assert RunFolder(out).stored_document()["recipe"]["learning_rate"] == 0.01
    with pytest.raises(ValueError, match="another configuration"):
        _search(config, out, settings=["recipe.learning_rate=0.02"])


def test_the_advice_of_a_finished_run_is_more_than_it_has(config, tmp_path):
    _search(config, tmp_path / "run")
    assert "add trials with --trials 8" in _search(config, tmp_path / "run", trials=2)[1]
