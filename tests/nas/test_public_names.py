"""The public names of `nas`: quick to import, typed, documented, each with an example that runs."""

from __future__ import annotations

import ast
import doctest
import inspect
import io
import subprocess
import sys
import warnings
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

import nas

ROOT = Path(__file__).parents[2]


def document(name: str) -> str:
    """The docstring of a function or class, or the text below a constant."""
    module, _, attribute = nas._PUBLIC[name].partition(":")
    value = getattr(import_module(module), attribute)
    if inspect.isclass(value) or inspect.isfunction(value):
        return inspect.getdoc(value) or ""
    body = ast.parse(inspect.getsource(import_module(module))).body
    for node, following in pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(getattr(target, "id", None) == attribute for target in targets):
            return str(following.value.value)
    raise AssertionError(f"{name} is no constant of {module}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("name", nas.__all__)
def test_a_public_name_is_documented_and_its_example_runs(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    text = document(name)
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert test.examples, f"nas.{name} has no example"
    output = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=output.write)
    assert not failed, output.getvalue()


def test_importing_loads_nothing_heavy():
    code = "import sys, nas; print(sorted({'torch', 'ray', 'numpy', 'pydantic', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_stub_declares_exactly_the_public_names():
    declared = {}
    for node in ast.parse((ROOT / "nas" / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            declared |= {alias.asname: f"{node.module}:{alias.name}" for alias in node.names}
    assert declared == nas._PUBLIC


def test_version_and_unknown_names():
    assert nas.__version__ == "0.1.0"
    assert "__version__" in dir(nas)
    assert "run_search" in dir(nas)
    with pytest.raises(AttributeError, match="module 'nas' has no attribute 'serach'"):
        _ = nas.serach


@pytest.mark.parametrize("package", ["nas", "search_spaces", "controllers", "workers", "experiments"])
def test_every_package_says_that_it_is_typed(package):
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("first", ["nas", "nas.search", "experiments.cli.main", "workers"])
@pytest.mark.parametrize("hiding", ["workers.py", "workers/__init__.py"])
def test_a_foreign_module_that_hides_ours_is_named(tmp_path, first, hiding):
    path = tmp_path / hiding
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport {first}\nimport nas"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: nas-engine needs its own package 'workers', but `import workers` finds ")
    assert str(path) in last
    assert "rename that file or folder" in last
