from __future__ import annotations

import json
import shutil

import pytest

from experiments.search.status import run_status
from search_spaces.published import PUBLISHED


def _assert_one_line(code: int, err: str, *parts: str) -> None:
    assert code == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("draw", "nasnet-z", "--out", "cells.svg"), "did you mean nasnet-a?"),
        (("draw", "nasnet-a", "--out", "cells.doc"), ".svg"),
        (("export", "missing.json", "--out", "folder"), "there is no file or folder missing.json"),
        (("count", "nasnet-a", "--preset", "imagenet"), "did you mean imagenet-"),
        (("count", "nasnet-a", "--preset", "cifar10", "--stack", "2@256"), "nearest: 2@240 and 2@288"),
        (("count", "nasnet-a", "--image-size", "4"), "--image-size must be 8..8192, got 4"),
        (("score", "nasnet-a", "--scores", "naswott"), "a score must be one of naswot"),
        (("import-weights", "missing.safetensors", "--accuracy", "0.8", "--out", "folder"), "missing.safetensors"),
    ],
    ids=lambda value: "_".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_bad_arguments_give_one_clear_line(run_cli, tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    code, _, err = run_cli(*arguments)
    _assert_one_line(code, err, part)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["draw", "export", "count", "import-weights"])
def test_every_command_explains_itself_with_an_example(run_cli, command):
    code, out, _ = run_cli(command, "--help")
    assert code == 0
    assert f"Example: nas {command}" in " ".join(out.split())


def _nasnet(**changes: object) -> str:
    value = PUBLISHED["nasnet-a"].to_json()
    value["normal"]["blocks"][1].update(changes)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "not JSON"),
        ('{"layers": 3}', "an architecture must have"),
        (_nasnet(left=[9, "identity"]), "block 1 may read hidden states 0..2, got 9"),
        (_nasnet(left=[0, "conv_9x9"]), "conv_9x9"),
        (_nasnet(norm="layer_norm"), "layer_norm"),
    ],
)
@pytest.mark.parametrize("command", ["draw", "export", "count"])
def test_a_file_that_is_no_architecture_is_refused(run_cli, tmp_path, command, text, part):
    path = tmp_path / "architecture.json"
    path.write_text(text)
    out = () if command == "count" else ("--out", tmp_path / "cells.svg")
    code, _, err = run_cli(command, path, *out)
    _assert_one_line(code, err, "architecture.json", part)


@pytest.mark.parametrize("rank", ["@99", "@0", "@best"])
def test_a_rank_that_a_run_does_not_have_is_refused(run_cli, finished_run, rank):
    code, _, err = run_cli("count", f"{finished_run}{rank}")
    _assert_one_line(code, err, rank.strip("@"))


def test_the_best_of_a_run_goes_through_all_commands(run_cli, tmp_path, finished_run):
    best = run_status(finished_run).to_json()["best"][0]
    code, out, _ = run_cli("count", finished_run, "--json")
    assert (code, json.loads(out)["num_parameters"]) == (0, best["num_parameters"])
    code, out, _ = run_cli("count", f"{finished_run}@1")
    assert f"{best['num_parameters']:,}" in out
    code, out, _ = run_cli("draw", finished_run, "--out", tmp_path / "cells.svg")
    assert (code, (tmp_path / "cells.svg").exists()) == (0, True)
    code, out, err = run_cli("export", finished_run, "--out", tmp_path / "best")
    assert (code, err) == (0, "")
    assert {path.name for path in (tmp_path / "best").iterdir()} >= {"model.py", "weights.safetensors", "cells.svg"}


def test_a_drawing_may_say_how_large_the_network_is(run_cli, tmp_path):
    out = tmp_path / "cells.svg"
    assert run_cli("draw", "nasnet-a", "--stack", "2@192", "--out", out)[0] == 0
    assert out.stat().st_size > 1000


def test_export_says_why_there_are_no_weights(run_cli, tmp_path, finished_run):
    code, out, err = run_cli("export", "nasnet-a", "--stack", "2@192", "--out", tmp_path / "published")
    assert (code, "weights.safetensors" in out, err) == (0, False, "")
    code, out, err = run_cli("export", finished_run, "--image-size", "16", "--out", tmp_path / "larger")
    assert (code, "weights.safetensors" in out) == (0, False)
    assert out.splitlines()[-1].startswith("1@")
    assert "16 x 16 pixels, 10 classes: " in out
    assert "without weights: the options describe another network" in err
    copied = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(copied / "weights")
    code, out, err = run_cli("export", copied, "--out", tmp_path / "bare")
    assert (code, "weights.safetensors" in out) == (0, False)
    assert "without weights: the run kept none" in err


def test_export_writes_the_programs_it_is_asked_for(run_cli, tmp_path, finished_run):
    code, out, _ = run_cli("export", finished_run, "--out", tmp_path / "out", "--torch-export")
    assert (code, "model.pt2" in out, "model.onnx" in out) == (0, True, False)
    assert (tmp_path / "out" / "model.pt2").stat().st_size > 0
    code, _, err = run_cli("export", "nasnet-a", "--out", tmp_path / "published", "--onnx")
    assert (code, "must be trained to be exported" in err) == (2, True)


@pytest.mark.parametrize(
    ("option", "number"), [("--image-size", "99999999999999999999"), ("--image-size", "8193"), ("--classes", "1000001")]
)
def test_sizes_that_nothing_can_hold_are_refused(run_cli, option, number):
    code, _, err = run_cli("count", "nasnet-a", option, number)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"error: {option} must be ")
    assert number in err


def test_a_budget_sets_the_width(run_cli):
    code, out, _ = run_cli(
        "count", "nasnet-a", "--stack", "1@96", "--image-size", 16, "--multiply-adds", "5M", "--json"
    )
    value = json.loads(out)
    assert code == 0
    assert value["num_multiply_adds"] <= 5_000_000
    wider = value["num_filters"] + 2
    _, out, _ = run_cli("count", "nasnet-a", "--stack", f"1@{24 * wider}", "--image-size", 16, "--json")
    assert json.loads(out)["num_multiply_adds"] > 5_000_000


def test_scores_as_json_and_as_a_table(run_cli):
    cell = "|nor_conv_1x1~0|"
    arguments = ("score", cell, "--image-size", "8", "--batch", "4", "--scores", "zen, num_multiply_adds")
    code, out, _ = run_cli(*arguments, "--json")
    assert code == 0
    (value,) = json.loads(out)
    assert set(value["scores"]) == {"zen", "num_multiply_adds"}
    code, out, _ = run_cli(*arguments)
    assert code == 0
    assert cell in out
