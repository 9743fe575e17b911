"""The shape of the source tree: mirrored tests, short modules and functions, small folders, no import cycles.

`RULES` below holds the limits. They keep the code readable: a change that breaks one usually wants another place or a
smaller function, not a larger limit.
"""

from __future__ import annotations

import ast
import math
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")
FILES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MODULES = [path for path in FILES if not path.stem.startswith("__")]
GRAB_BAGS = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager"}
RULES = {"modules in a folder": 20, "lines in a module": 300, "median function": 8, "90th percentile of functions": 22}


def dotted(path: Path) -> str:
    """The import name of a file of the tree."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_has_a_test_module(module: Path) -> None:
    mirror = ROOT / "tests" / module.with_name(f"test_{module.name}")
    assert mirror.exists(), f"{module} must be tested by {mirror.relative_to(ROOT)}"


def test_the_folders_of_the_tests_are_those_of_the_tree() -> None:
    """Finds tests that stayed behind when their module moved."""
    tests = (
        path.parent.relative_to(ROOT / "tests") for name in PACKAGES for path in (ROOT / "tests" / name).rglob("*.py")
    )
    assert {str(folder) for folder in tests if not (ROOT / folder).is_dir()} == set()


def test_the_slow_tests_exist(pytestconfig: pytest.Config) -> None:
    """A test that is moved or renamed must keep its mark."""
    conftest = pytestconfig.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))
    for path, _, name in (start.partition("::") for start in conftest.SLOW):
        assert (ROOT / "tests" / path).exists(), path
        assert not name or f"def {name}" in (ROOT / "tests" / path).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_is_short_and_named_for_what_it_holds(module: Path) -> None:
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= RULES["lines in a module"]
    assert module.stem not in GRAB_BAGS


def test_every_folder_is_a_package_that_git_tracks() -> None:
    """A folder that git ignores would be missing from the wheel, and one without ``__init__.py`` from the contracts."""
    command = ["git", "check-ignore", *map(str, FILES)]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout == ""
    assert {str(path.parent) for path in MODULES if not (ROOT / path.parent / "__init__.py").is_file()} == set()


def test_no_folder_is_crowded() -> None:
    counts = Counter(str(path.parent) for path in MODULES)
    crowded = {folder: count for folder, count in counts.items() if count > RULES["modules in a folder"]}
    assert not crowded, f"a folder may hold {RULES['modules in a folder']} modules, got {crowded}"


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the last one, both included, without the docstring; decorators do not count."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def functions() -> Iterator[tuple[str, int]]:
    """Every function and method of the packages, nested ones too, with its lines."""
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path}:{node.lineno} {node.name}", body_lines(node)


def test_functions_are_short() -> None:
    found = sorted(functions(), key=lambda pair: pair[1])
    lengths = [lines for _, lines in found]
    ninth = lengths[math.ceil(0.9 * len(lengths)) - 1]
    longest = "\n".join(f"{lines:4} {name}" for name, lines in found[:-11:-1])
    assert statistics.median(lengths) <= RULES["median function"], longest
    assert ninth <= RULES["90th percentile of functions"], f"90 % of functions have at most {ninth} lines:\n{longest}"


def imported(path: Path, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The modules of this project that import statements name, as the longest import name that is a file of ours."""
    package = path.parent.parts
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            start = ".".join(filter(None, (above, node.module)))
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            known = [".".join(parts[:end]) for end in range(len(parts), 0, -1) if ".".join(parts[:end]) in NAMES]
            yield from known[:1]


def at_import(nodes: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: no bodies of functions, nothing under ``TYPE_CHECKING``."""
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from at_import(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def cycles(imports: Iterable[tuple[str, str]]) -> list[str]:
    """The imports that lie on a cycle, as ``a -> b``."""
    graph = nx.DiGraph((start, end) for start, end in imports if start != end)
    parts = nx.strongly_connected_components(graph)
    return sorted(f"{start} -> {end}" for part in parts for start, end in graph.subgraph(part).edges)


def test_no_import_cycle_between_files() -> None:
    """Counts what runs at import. An import inside a function may close a cycle of files, but never one of folders."""
    imports = ((name, end) for name, path in NAMES.items() for end in imported(path, at_import(tree(path).body)))
    assert cycles(imports) == []


def test_no_import_cycle_between_folders() -> None:
    """Counts every import, those inside functions and for type checkers too.

    A folder stands for its own files, without its sub-folders: the top level of a package is one folder, each
    sub-package another.
    """
    imports = (
        (str(path.parent), str(NAMES[end].parent)) for path in FILES for end in imported(path, ast.walk(tree(path)))
    )
    assert cycles(imports) == []


def test_cycles_are_found() -> None:
    assert cycles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "d")]) == ["a -> b", "b -> c", "c -> a"]
    code = "def f():\n    import nas.search\nif TYPE_CHECKING:\n    import nas.trial\nimport nas.rewards"
    here = Path("nas/canonical.py")
    assert list(imported(here, at_import(ast.parse(code).body))) == ["nas.rewards"]
    assert sorted(imported(here, ast.walk(ast.parse(code)))) == ["nas.rewards", "nas.search", "nas.trial"]
    assert list(imported(here, ast.parse("from . import trial\nfrom nas.trial import Trial").body)) == ["nas.trial"] * 2


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (
            "nas.search, nas.ledger.writer, nas.rewards, search_spaces.nasnet, search_spaces.published",
            {"torch", "torchvision", "ray", "matplotlib", "typer", "rich"},
        ),
        ("experiments.search.status", {"torch", "scipy", "ray", "matplotlib"}),
        ("experiments.search.run, nas.export.folder, nas.training.run", {"torchvision", "matplotlib"}),
    ],
)
def test_what_many_commands_need_imports_no_heavy_library(modules: str, heavy: set[str]) -> None:
    code = f"import sys, {modules}\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
