"""The commands: what they print, and bad input in one clear line with exit code 2."""

import json

import pytest

from experiments.cli.main import main
from experiments.cli.robustness import parse_severities, split_names


def test_severities():
    assert parse_severities("3") == (3,)
    assert parse_severities("1-5") == (1, 2, 3, 4, 5)
    assert parse_severities("5, 1,3") == (1, 3, 5)
    assert parse_severities("1-2,2-3") == (1, 2, 3)
    for bad in ("", "0", "6", "3-1", "1-", "-3", "1-9", "a", "1.5"):
        with pytest.raises(ValueError, match=r"a severity must be 1 to 5, a range such as 1-5"):
            parse_severities(bad)


def test_names():
    assert split_names("blur, noise ,") == ("blur", "noise")
    assert split_names(None) == ()
    for text in ("", " , "):
        with pytest.raises(ValueError, match="names must be one or more, separated by commas, got"):
            split_names(text)


def test_robustness_prints_a_table_or_json(checkpoints, tmp_path, capsys):
    arguments = ["robustness", *map(str, checkpoints), "--data", "digits", "--shifts", "blur,gamma", "--severity", "2"]
    arguments += ["--images", "40", "--out", str(tmp_path)]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "gamma" in text
    assert "more drop" in text
    assert main([*arguments, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["shifts"]) == ["blur", "gamma"]


def test_divergence_prints_a_table_or_json(checkpoints, tmp_path, capsys):
    arguments = ["divergence", str(checkpoints[0]), "--data", "digits", "--shift", "fog", "--images", "60"]
    arguments += ["--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "appearance (fog 3)" in capsys.readouterr().out
    assert main([*arguments, "--json", "--classes", "0,1"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == "0 and 1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shifts", "rain"], "a shift must be one of"),
        (["--shifts", "blur,blur"], "must be distinct, got blur, blur"),
        (["--shifts", "add_red"], "needs images of 3 channels"),
        (["--severity", "7"], "a severity must be 1 to 5"),
        (["--images", "1"], "greater than or equal to 2"),
        (["--data", "nowhere"], "nowhere"),
        (["--pictures", "nowhere", "--shifts", "style"], "there is no folder nowhere"),
    ],
)
def test_bad_input(arguments, message, checkpoints, tmp_path, capsys):
    given = ["robustness", str(checkpoints[0]), "--out", str(tmp_path / "out"), "--data", "digits", *arguments]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
