"""The workflows for forks: which versions they try, and that the commands in them exist."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def load(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())


def test_the_tests_run_on_every_supported_python_with_newest_and_lowest_dependencies():
    matrix = load("checks.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert matrix["dependencies"] == ["newest"]
    assert {"python": "3.11", "dependencies": "lowest"} in matrix["include"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_lint_docs_wheel_and_macos_are_checked():
    jobs = load("checks.yml")["jobs"]
    assert set(jobs) == {"lint", "tests", "macos", "docs", "wheel"}
    assert jobs["macos"]["runs-on"].startswith("macos")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_targets_of_make_exist(path):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    steps = [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]
    assert all(step.get("run") or step.get("uses") for step in steps)
    for target in re.findall(r"\bmake ([a-z]+)", path.read_text()):
        assert target in targets


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_issue_templates_are_valid(path):
    template = yaml.safe_load(path.read_text())
    if path.stem != "config":
        assert {"name", "description", "body"} <= template.keys()
        assert {item["type"] for item in template["body"]} == {"textarea"}


def test_the_citation_names_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_the_source_uses_the_syntax_of_the_lowest_python():
    for package in ("nas", "search_spaces", "controllers", "workers", "experiments", "examples"):
        for path in (ROOT / package).rglob("*.py"):
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 11))
