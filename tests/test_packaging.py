"""The five packages are installed under plain names, so a foreign package of one of these names must not win."""

import importlib.util
import tomllib
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_ours(name):
    found = Path(importlib.util.find_spec(name).origin).parent
    assert found == ROOT / name, (
        f"`import {name}` must find {ROOT / name}, got {found}: another installed distribution has a package of that "
        f"name; remove it, or install nas-engine into an environment of its own"
    )


def test_wheel_holds_the_five_packages():
    assert tuple(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES


def test_console_script_is_installed():
    (script,) = entry_points(group="console_scripts", name="nas")
    assert script.value == "experiments.cli:main"


def test_dependencies_have_lower_bounds_only():
    for requirement in requires("nas-engine"):
        specifier = requirement.split(";")[0]
        assert ">=" in specifier, specifier
        assert not set(specifier) & {"<", "~", "!"}, specifier
        assert "==" not in specifier, specifier
