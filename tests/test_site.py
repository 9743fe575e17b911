"""The code on the pages of the site runs, every page is in its menu, and the generated pages are complete."""

from __future__ import annotations

import importlib.util
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import nas
from experiments.config.documents import split_sections
from experiments.config.kinds import SEARCH
from experiments.config.parsing.yaml_file import parse_yaml
from nas import plugins

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SETTINGS = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
TESTED_ELSEWHERE = {"extending.md"}
"""Its code is written into a copy of the packages by `tests/test_extending.py`."""
PAGES = [ROOT / "README.md", *(path for path in sorted(DOCS.rglob("*.md")) if path.name not in TESTED_ELSEWHERE)]
MENU = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]


def blocks(pattern):
    return [path for path in PAGES if pattern.search(path.read_text())]


@pytest.fixture(scope="module")
def site():
    """The hooks of the site; mkdocs is not needed for the pages that they generate."""
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("page", blocks(CODE), ids=lambda path: path.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(plugins, "_objects", {})
    code = "\n".join(textwrap.dedent(block) for block in CODE.findall(page.read_text()))
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # dataclasses look their module up
    try:
        exec(compile(code, str(page), "exec"), module.__dict__)  # noqa: S102 - the pages of this project
    finally:
        sys.modules.pop("model", None)


@pytest.mark.parametrize("page", blocks(SETTINGS), ids=lambda path: path.stem)
def test_settings_on_a_page_have_known_sections(page):
    for block in SETTINGS.findall(page.read_text()):
        document = parse_yaml(block)
        if set(document) <= set(SEARCH.sections):
            split_sections(document, SEARCH)


def entries(menu):
    for item in menu:
        for target in item.values():
            yield from entries(target) if isinstance(target, list) else [target]


def test_every_page_is_in_the_menu():
    generated = {"reference/python.md", "reference/settings.md", "reference/commands.md", "changelog.md", "results.md"}
    assert sorted(entries(MENU)) == sorted(generated | {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")})


def test_the_reference_holds_every_public_name_setting_and_command(site):
    python = site.python_reference()
    assert [name for name in nas.__all__ if f"## nas.{name}\n" not in python] == []
    settings = site.settings_reference()
    assert "| `gradient_clip` | Maximum global norm of the gradient" in settings
    assert "### controller: ppo (search)" in settings
    commands = site.commands_reference()
    assert "## nas search\n" in commands
    assert "## nas study pretraining\n" in commands
    assert "nas search digits_ppo --trials 40 --out runs/first" in commands
