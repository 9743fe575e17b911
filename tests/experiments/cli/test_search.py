from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from experiments.cli.output import BAD_INPUT
from experiments.runs.run_folder import RunFolder
from nas.ledger.writer import Ledger


def _write_config(folder, **changes: object):
    document = {"controller": "random", "search": {"num_trials": 2}, "workers": {"pool": "serial"}, **changes}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A folder of images of two classes."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for number in range(8):
        folder = tmp_path / "images" / "train" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return tmp_path / "images"


def _assert_one_line(code: int, err: str, *parts: str) -> None:
    assert code == BAD_INPUT, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("search", "missing.yaml"), "there is no file missing.yaml"),
        (("search", "digits_pop"), "did you mean digits_ppo?"),
        (
            ("search", "digits_ppo", "--trials", "-3"),
            "search.num_trials: Input should be greater than or equal to 1, got -3",
        ),
        (("search", "digits_ppo", "--seed", "-1"), "(option --seed)"),
        (("search", "digits_ppo", "--workers", "0"), "(option --workers)"),
        (("search", "digits_ppo", "--controller", "pop"), "unknown controller 'pop'; did you mean ppo?"),
        (("search", "digits_ppo", "--set", "search.num_trails=3"), "did you mean num_trials?"),
        (("search", "digits_ppo", "--set", "space.ops=[sep_conv_3x4]"), "did you mean sep_conv_3x3?"),
        (("search", "digits_ppo", "--set", "space.norms=[batch]"), "unknown norm in space.norms 'batch'"),
        (("search", "digits_ppo", "--set", "data.name=digit"), "did you mean digits?"),
        (("search", "digits_ppo", "--set", "nothing"), "section.key=value"),
        (("search", "digits_ppo", "--trials", "three"), "Invalid value for '--trials'"),
        (("search", "cifar10_smoke"), "must be given with --data"),
        (("search", "cifar10_smoke", "--data", "/no/such/folder"), "/no/such/folder"),
        (("search", "digits_ppo", "--out", ""), "it must name a folder, got nothing"),
        (("search", "digits_ppo", "--set", "search.seed=-1"), "configuration digits_ppo: search.seed"),
        (("search",), "Missing argument"),
        (("search", "digits_ppo", "--trails", "3"), "No such option"),
    ],
    ids=lambda value: "_".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_bad_arguments_give_one_clear_line(run_cli, tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    code, _, err = run_cli(*arguments)
    _assert_one_line(code, err, part)
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_in_a_file_names_file_and_nearest_key(run_cli, tmp_path):
    path = _write_config(tmp_path, search={"num_trails": 3})
    code, _, err = run_cli("search", path, "--out", tmp_path / "run")
    _assert_one_line(code, err, "did you mean num_trials?")
    path.write_text("serch: {}")
    code, _, err = run_cli("search", path, "--out", tmp_path / "run")
    _assert_one_line(code, err, "config.yaml", "did you mean search?")


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object/apply:os.system [ls]", "[" * 5000, "\x00", "- 1"])
def test_hostile_yaml_gives_one_clear_line(run_cli, tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    code, _, err = run_cli("search", path, "--out", tmp_path / "run")
    _assert_one_line(code, err, "bad.yaml")


def test_a_class_without_images_is_named(run_cli, tmp_path, images):
    (images / "train" / "empty").mkdir()
    path = _write_config(tmp_path, data={"name": "image_folder"})
    code, _, err = run_cli("search", path, "--data", images, "--out", tmp_path / "run")
    _assert_one_line(code, err, "empty")


def test_a_truncated_image_is_named(run_cli, tmp_path, images):
    broken = images / "train" / "class1" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    path = _write_config(tmp_path, data={"name": "image_folder"})
    code, _, err = run_cli("search", path, "--data", images, "--out", tmp_path / "run")
    _assert_one_line(code, err, "3.jpg")


def test_another_configuration_in_the_folder_is_refused_with_the_difference(run_cli, finished_run):
    code, _, err = run_cli("search", finished_run.parent / "config.yaml", "--out", finished_run, "--seed", 9)
    _assert_one_line(code, err, "search.seed: 0 in the folder, 9 requested")


def test_a_folder_in_use_is_refused(run_cli, finished_run):
    with Ledger(RunFolder(finished_run).ledger):
        code, _, err = run_cli("search", finished_run.parent / "config.yaml", "--out", finished_run)
    _assert_one_line(code, err, "in use")


def test_options_reach_the_search(monkeypatch, run_cli, tmp_path):
    seen = []
    monkeypatch.setattr("experiments.search.run.run_search", lambda *arguments: seen.append(arguments) or 130)
    words = ["--data", "images", "--controller", "random", "--trials", 7, "--seed", 3, "--workers", 2]
    words += ["--address", "auto", "--set", "search.seed=4", "--set", "recipe.epochs=1"]
    assert run_cli("search", "digits_ppo", "--out", tmp_path, *words)[0] == 130
    ((request, out, _),) = seen
    assert (request.source, out, request.settings) == ("digits_ppo", tmp_path, ("search.seed=4", "recipe.epochs=1"))
    assert request.changes == {
        ("data", "root"): Path("images"),
        ("controller", "name"): "random",
        ("search", "num_trials"): 7,
        ("search", "seed"): 3,
        ("workers", "num_workers"): 2,
        ("workers", "address"): "auto",
    }
