"""The five packages have plain names, so a foreign package of the same name must not be imported instead."""

import importlib.util
import os
import subprocess
import sys
import tomllib
import zipfile
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
        f"`import {name}` must find {ROOT / name}, got {found}: another installed distribution has a package of the "
        f"same name; remove it, or install nas-engine into a separate environment"
    )


def test_wheel_holds_the_five_packages():
    assert tuple(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES


def test_the_wheel_runs_without_the_checkout(tmp_path):
    """Checks the content of the wheel and runs code from it that reads data of the package, as on another node."""
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=600)
    (wheel,) = tmp_path.glob("nas_engine-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    assert {f"experiments/configs/{path.name}" for path in (ROOT / "experiments" / "configs").iterdir()} <= set(names)
    code = (
        "import nas, search_spaces.nasnet, controllers.random_search, workers.pools.guard\n"
        "from experiments.config.documents import load_document\n"
        "from experiments.config.kinds import SEARCH\n"
        "print(nas.__file__, load_document('digits_ppo', SEARCH)['data']['name'])"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    command = (sys.executable, "-c", code)
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(tmp_path / "installed" / "nas" / "__init__.py"), "digits"]


def test_console_script_is_installed():
    (script,) = entry_points(group="console_scripts", name="nas")
    assert script.value == "experiments.cli.main:main"


def test_dependencies_have_lower_bounds_only():
    for requirement in requires("nas-engine"):
        specifier = requirement.split(";")[0]
        assert ">=" in specifier, specifier
        assert not set(specifier) & {"<", "~", "!"}, specifier
        assert "==" not in specifier, specifier
