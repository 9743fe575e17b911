"""Every command of ours that a document shows is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from experiments.cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("results/*.md"))]
DOCUMENTS += sorted(ROOT.glob("experiments/configs/*.yaml"))
STARTS = re.compile(r"^\s*(?:#\s+|\$ )?(?:ray job submit .* -- )?(nas [a-z].*?)(?:\s{2,}\(.*)?$")
SEEDS = re.compile(r"(?<=--seed )S\b")
"""A seed that the text beside it tells to vary."""


def commands(text: str) -> Iterator[str]:
    """Lines that begin with a command, in blocks, comments of settings and quoted in a sentence."""
    for line in text.replace("\\\n", " ").splitlines():
        quoted = re.findall(r"`(nas [a-z][a-z-]* [^`]*)`", line)
        found = [] if quoted else STARTS.findall(line)
        yield from (each for each in [*quoted, *found] if "..." not in each)


def shown() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        yield from ((path.name, each) for each in commands(path.read_text(encoding="utf-8")))


def parse(command: str) -> None:
    """Parses as the command line does, and runs nothing."""
    words = shlex.split(SEEDS.sub("0", command), comments=True)[1:]
    group = typer.main.get_command(app)
    context = group.make_context("nas", words)
    name, inner, rest = group.resolve_command(context, [*getattr(context, "_protected_args", ()), *context.args])
    inner.make_context(name, rest, parent=context)


@pytest.mark.parametrize(("document", "command"), sorted(set(shown())))
def test_a_command_that_is_shown_can_be_given(document, command):
    parse(command)


def test_commands_are_found_where_they_stand():
    text = (
        "Do `nas status RUN --json`, then:\n\n    nas search a \\\n        --trials 3   # note\n"
        "#   nas draw b   (a note)\nthe nas c\n"
    )
    assert [each.split("#")[0].split() for each in commands(text)] == [
        ["nas", "status", "RUN", "--json"],
        ["nas", "search", "a", "--trials", "3"],
        ["nas", "draw", "b"],
    ]


@pytest.mark.parametrize("command", ["nas serch digits_ppo", "nas search digits_ppo --trails 3", "nas draw nasnet-a"])
def test_a_wrong_command_would_be_noticed(command):
    with pytest.raises(Exception, match=r"No such|Missing parameter"):
        parse(command)
