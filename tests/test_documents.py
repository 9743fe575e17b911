"""Commands in documents are accepted by the command line, and use only runs that the reader has made before."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from experiments.cli.main import app

ROOT = Path(__file__).parents[1]
GROUP = typer.main.get_command(app)
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("results/*.md")),
]
DOCUMENTS += sorted(ROOT.glob("experiments/configs/*.yaml"))
STARTS = re.compile(r"^\s*(?:#\s+|\$ )?(?:ray job submit .* -- )?(nas [a-z].*?)(?:\s{2,}\(.*)?$")
SEEDS = re.compile(r"(?<=--seed )S\b")
"""A seed that stands for several ones, as the text next to it says."""


def commands(text: str) -> Iterator[str]:
    """Finds commands at the start of lines of code blocks and comments, and quoted ones in sentences."""
    for line in text.replace("\\\n", " ").splitlines():
        quoted = re.findall(r"`(nas [a-z][a-z-]* [^`]*)`", line)
        found = [] if quoted else STARTS.findall(line)
        yield from (each for each in [*quoted, *found] if "..." not in each)


def shown() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        yield from ((path.name, each) for each in commands(path.read_text(encoding="utf-8")))


def parse(command: str) -> None:
    """Parses a command as the command line does, without running it."""
    words = shlex.split(SEEDS.sub("0", command), comments=True)[1:]
    context = GROUP.make_context("nas", words)
    name, inner, rest = GROUP.resolve_command(context, [*getattr(context, "_protected_args", ()), *context.args])
    inner.make_context(name, rest, parent=context)


@pytest.mark.parametrize(("document", "command"), sorted(set(shown())))
def test_a_command_in_a_document_is_accepted(document, command):
    parse(command)


@pytest.mark.parametrize("document", ["README.md", "docs/walkthrough.md"])
def test_a_reader_has_made_the_runs_that_a_command_uses(document):
    """A person who runs the commands of the page in order has every run that a later command reads."""
    made = set()
    for command in commands((ROOT / document).read_text(encoding="utf-8")):
        words = shlex.split(command, comments=True)
        outputs = {after for word, after in itertools.pairwise(words) if word == "--out"}
        used = {word.partition("@")[0] for word in words if word.startswith("runs/")} - outputs
        assert used <= made, command
        made |= outputs


def test_commands_are_found():
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
def test_a_wrong_command_is_noticed(command):
    with pytest.raises(Exception, match=r"No such|Missing parameter"):
        parse(command)
