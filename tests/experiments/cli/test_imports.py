import sys

import pytest

from experiments.cli.imports import _others, _taken
from experiments.cli.main import main
from nas import plugins


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(plugins, "_modules", [])
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_the_option_is_found_anywhere_before_two_dashes():
    words = ["search", "--import", "a", "x", "--import=b", "--", "--import", "c"]
    assert [*_taken(words)] == ["--import", "a", "--import=b"]
    assert [*_others(words)] == ["search", "x", "--", "--import", "c"]
    assert [*_taken(["--import"])] == ["--import"]


@pytest.mark.parametrize("given", [["--import", "json", "configs"], ["configs", "--import=json"]])
def test_a_module_is_allowed_for_the_command(given, capsys):
    assert main(given) == 0
    assert plugins.allowed_modules() == ("json",)


def test_a_module_is_allowed_by_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("NAS_IMPORT", "json csv")
    assert main(["configs"]) == 0
    assert plugins.allowed_modules() == ("json", "csv")


def test_the_option_needs_a_module(capsys):
    assert main(["configs", "--import"]) == 2


@pytest.mark.parametrize("words", [["--import", "no_such_package"], ["--import=no_such_package"]])
@pytest.mark.parametrize("last", [False, True])
def test_an_import_that_fails_is_one_line(words, last, capsys):
    assert main(["configs", *words] if last else [*words, "configs"]) == 2
    assert "error: the module no_such_package cannot be imported" in capsys.readouterr().err
