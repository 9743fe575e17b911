from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nas import plugins
from nas.models.operations import OPERATIONS, Operation
from nas.plugins import Table, allow, allowed_modules, find, is_reference, plug_in, session

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """What a test plugs in does not outlive it."""
    monkeypatch.setattr(plugins, "_modules", [])
    monkeypatch.setattr(plugins, "_objects", {})
    monkeypatch.setattr(plugins, "_own", set())
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def package(tmp_path):
    """A package in another folder; its module may be imported by no more than one test."""
    name = f"package_{tmp_path.name}"
    folder = tmp_path / "elsewhere" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text("class Things:\n    answer = 42\n")
    yield folder
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[each]


@pytest.mark.parametrize("name", ["a:b", "package.module:name", "_a.b1:C.d", "__main__:f"])
def test_references(name):
    assert is_reference(name)


@pytest.mark.parametrize("name", ["ppo", "a:", ":b", "a:b:c", "../a:b", "a/b:c", "a b:c", "é:b", "1a:b", None, 3])
def test_what_is_no_reference(name):
    assert not is_reference(name)


def test_a_name_alone_imports_nothing(package):
    name = f"{package.name}.parts"
    sys.path.append(str(package.parent))
    with pytest.raises(ValueError, match=f"does not run: add --import {name} to the command"):
        find(f"{name}:Things")
    assert name not in sys.modules


def test_a_package_that_was_allowed_is_found_with_its_modules(package):
    assert allow(str(package)) == package.name
    assert find(f"{package.name}.parts:Things.answer") == 42
    assert allowed_modules()[0] == package.name
    with pytest.raises(ValueError, match="has no Other"):
        find(f"{package.name}.parts:Other")


def test_the_folder_of_a_package_is_sent_to_nodes(package):
    allow(str(package))
    assert plugins.sources() == [str(package)]


@pytest.mark.parametrize(
    ("content", "error"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("import no_such_thing", "No module named")],
)
def test_a_module_that_cannot_be_imported_gives_one_line(tmp_path, content, error):
    path = tmp_path / "broken_plugin.py"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"the module broken_plugin cannot be imported: .*{error}"):
        allow(str(path))


def test_a_missing_file():
    with pytest.raises(ValueError, match=r"there is no module nowhere/plugin\.py"):
        allow("nowhere/plugin.py")


def test_entry_points_allow_a_module(monkeypatch):
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda *, group: [SimpleNamespace(module="json", group=group)]
    )
    plugins._declared.cache_clear()
    try:
        assert allowed_modules() == ("json",)
        assert find("json:dumps")([1]) == "[1]"
    finally:
        monkeypatch.undo()
        plugins._declared.cache_clear()


def test_an_object_is_named_by_where_it_is_defined():
    def local() -> None: ...

    assert plug_in(local) == f"{__name__}:test_an_object_is_named_by_where_it_is_defined.local"
    assert plug_in(SimpleNamespace(a=1)) == "types:SimpleNamespace"
    assert find("types:SimpleNamespace").a == 1
    with pytest.raises(ValueError, match="must have the form module:name, got 'plain'"):
        plug_in(local, "plain")


def test_a_session_restores_what_workers_need():
    plug_in(1, "a:one")
    plug_in(2, "a:two", on_workers=False)
    sent = session()
    plugins._objects.clear()
    sent.restore()
    assert plugins._objects == {"a:one": 1}


def test_a_table_finds_its_own_entries_and_those_from_outside():
    def double(value: int) -> int:
        if value < 0:
            raise ValueError("it must be at least 0")
        return 2 * value

    table = Table("thing", {"own": 1}, double)
    plug_in(4, "a:four")
    assert (table["own"], table["a:four"], [*table], len(table)) == (1, 8, ["own"], 1)
    assert "own" in table
    assert "a:four" in table
    assert "other" not in table
    plug_in(5, "a:four")
    assert table["a:four"] == 10
    plug_in(-1, "a:bad")
    with pytest.raises(ValueError, match="thing a:bad: it must be at least 0"):
        _ = table["a:bad"]
    with pytest.raises(KeyError):
        _ = table["other"]


def test_operations_from_outside():
    def build(site: object) -> str:
        return f"at {site}"

    assert OPERATIONS[plug_in(build, "a:build")].build("here") == "at here"
    kept = Operation(build, drops=False)
    assert OPERATIONS[plug_in(kept, "a:kept")] is kept
    with pytest.raises(ValueError, match="operation a:three: an operation must be a function of a Site"):
        _ = OPERATIONS[plug_in(3, "a:three")]


def test_reading_an_architecture_runs_no_code_of_its_names():
    code = (
        "import sys\nfrom nas.architecture import Edge\nEdge(0, 'antigravity:fly')\nprint('antigravity' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_code_in_a_session_is_found_where_it_is_unpickled(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "sent_away.py").write_text("def evaluate(trial):\n    return 0.5\n")
    code = (
        "import pickle, sys\nfrom nas import plugins\n"
        f"plugins.allow({str(folder / 'sent_away.py')!r})\n"
        "sys.stdout.buffer.write(pickle.dumps((plugins.session(), plugins.find('sent_away:evaluate'))))\n"
    )
    sent = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout
    code = (
        "import pickle, sys\nsession, evaluate = pickle.loads(sys.stdin.buffer.read())\nsession.restore()\n"
        "from nas import plugins\nassert plugins.find('sent_away:evaluate') is evaluate\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
