from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from experiments.cli import main as cli
from experiments.cli.main import BAD_INPUT, BUG, INTERRUPTED, main
from experiments.runs.run_folder import RunFolder
from nas.ledger.writer import Ledger

COMMANDS = ("search", "status", "compare")


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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run_cli, command):
    code, out, _ = run_cli(command, "--help")
    assert code == 0
    assert f"Example: nas {command}" in " ".join(out.split())


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time\nstart = time.process_time()\nfrom experiments.cli.main import main\nmain(['--help'])\n"
        "assert time.process_time() - start < 1\n"
        "assert not {'torch', 'ray', 'matplotlib', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "search" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("search", "missing.yaml"), "there is no file missing.yaml"),
        (("search", "digits_pop"), "did you mean digits_ppo?"),
        (
            ("search", "digits_ppo", "--trials", "-3"),
            "search.num_trials: Input should be greater than or equal to 1, got -3",
        ),
        (("search", "digits_ppo", "--seed", "-1"), "search.seed: "),
        (("search", "digits_ppo", "--workers", "0"), "workers.num_workers: "),
        (("search", "digits_ppo", "--controller", "pop"), "unknown controller 'pop'; did you mean ppo?"),
        (("search", "digits_ppo", "--set", "search.num_trails=3"), "did you mean num_trials?"),
        (("search", "digits_ppo", "--set", "space.ops=[sep_conv_3x4]"), "did you mean sep_conv_3x3?"),
        (("search", "digits_ppo", "--set", "space.norms=[batch]"), "unknown norm in space.norms 'batch'"),
        (("search", "digits_ppo", "--set", "data.name=digit"), "did you mean digits?"),
        (("search", "digits_ppo", "--set", "nothing"), "section.key=value"),
        (("search", "digits_ppo", "--trials", "three"), "Invalid value for '--trials'"),
        (("search", "cifar10_smoke"), "must have a root"),
        (("search", "cifar10_smoke", "--data", "/no/such/folder"), "/no/such/folder"),
        (("search", "digits_ppo", "--out", ""), "it must name a folder, got nothing"),
        (("search", "digits_ppo", "--set", "search.seed=-1"), "configuration digits_ppo: search.seed"),
        (("serch",), "No such command 'serch'"),
        (("search",), "Missing argument"),
        (("search", "digits_ppo", "--trails", "3"), "No such option"),
        (("status", "/no/such/run"), "/no/such/run holds no run"),
        (("compare", "/no/such/run", "--out", "comparison"), "/no/such/run"),
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
    _assert_one_line(code, err, "search.seed: 0 in the folder, 9 asked for")


def test_a_folder_in_use_is_refused(run_cli, finished_run):
    with Ledger(RunFolder(finished_run).ledger):
        code, _, err = run_cli("search", finished_run.parent / "config.yaml", "--out", finished_run)
    _assert_one_line(code, err, "in use")


def test_a_finished_run_has_a_status(run_cli, finished_run):
    code, out, _ = run_cli("search", finished_run.parent / "config.yaml", "--out", finished_run)
    assert (code, "is finished" in out) == (0, True)
    code, out, _ = run_cli("status", finished_run, "--json")
    assert (code, json.loads(out)["num_finished"]) == (0, 2)
    code, out, _ = run_cli("status", finished_run)
    assert "2 of 2 trials finished" in out


def test_runs_are_compared(run_cli, tmp_path, write_run):
    runs = [write_run(name, name, 0) for name in ("ppo", "random")]
    code, out, _ = run_cli("compare", *runs, "--out", tmp_path / "comparison", "--json")
    value = json.loads(out)
    assert code == 0
    assert {strategy["name"] for strategy in value["strategies"]} == {"ppo", "random"}
    assert (tmp_path / "comparison" / "report.html").exists()
    code, out, _ = run_cli("compare", *runs, "--out", tmp_path / "comparison")
    assert (code, "random search" in out) == (0, True)


def _raising(error: BaseException):
    def run_status(_path: object) -> None:
        raise error

    return run_status


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyboardInterrupt(), INTERRUPTED, ""),
        (OSError(28, "No space left on device"), BAD_INPUT, "error: [Errno 28] No space left on device\n"),
        (RuntimeError("first\nsecond"), BAD_INPUT, "error: first second\n"),
        (KeyError("x"), BUG, "error: this is a bug, NAS_DEBUG=1 shows where: KeyError: 'x'\n"),
    ],
)
def test_no_error_shows_a_traceback(run_cli, monkeypatch, error, code, text):
    monkeypatch.setattr("experiments.search.status.run_status", _raising(error))
    assert run_cli("status", "run")[::2] == (code, text)


def test_the_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv("NAS_DEBUG", "1")
    monkeypatch.setattr("experiments.search.status.run_status", _raising(KeyError("x")))
    with pytest.raises(KeyError):
        main(["status", "run"])


def test_without_arguments_the_help_is_shown(run_cli):
    code, out, err = run_cli()
    assert code == BAD_INPUT
    assert "Commands" in out + err
    assert "error" not in err


def test_the_process_is_asked_for_arguments(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nas", "status", "/no/such/run"])
    assert main() == BAD_INPUT
    assert "holds no run" in capsys.readouterr().err
    assert cli.app.info.name == "nas"
