"""Safe reading of untrusted YAML: plain data only, of limited size and depth, without references and repeated keys."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.resolver import Resolver

from nas.files.guarded_read import read_text

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
_YAML_TAG = "tag:yaml.org,2002:"
_NUMBER_TAGS = {f"{_YAML_TAG}int", f"{_YAML_TAG}float"}
_OTHER_NUMBER = re.compile(r"[-+]?(0[0-9_]+|.*:.*)")
_NOT_PLAIN = {"binary", "timestamp", "set", "omap", "pairs"}


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file that holds a mapping; ValueError names the line that is not valid."""
    text = read_text(path, max_bytes=MAX_BYTES)
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a mapping of sections, got {value!r:.60}")
    return value


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Parses one YAML document of plain data: mappings with text keys, lists, numbers, text, true, false, null."""
    try:
        return yaml.load(text, _QuickLoader)  # type: ignore[arg-type] # noqa: S506 - it is a safe loader
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError):
        return _parse_slowly(text)  # for its messages


def _parse_slowly(text: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - it is a safe loader
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"is not valid YAML: {line}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"is not valid YAML: {' '.join(str(error).split())}") from None
    except (LookupError, AttributeError, TypeError, OverflowError):  # raised by PyYAML for `!!bool maybe` and the like
        raise ValueError("is not valid YAML: a value does not fit its tag") from None


class _Limits(Composer, SafeConstructor):
    """Refuses references, since a few lines of them can expand to gigabytes, and whatever is not plain data."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        parser: Any = self  # the parser is another base of each loader
        mark = parser.peek_event().start_mark
        if parser.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="references (*name) are not allowed", problem_mark=mark)
        if self._depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=mark)
        self._depth += 1
        try:
            node = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        if node is not None and (tag := node.tag.removeprefix(_YAML_TAG)) in _NOT_PLAIN:
            raise yaml.MarkedYAMLError(problem=f"a {tag} is not a plain value: put it in quotes", problem_mark=mark)
        if isinstance(node, yaml.ScalarNode) and _OTHER_NUMBER.fullmatch(node.value) and node.tag in _NUMBER_TAGS:
            problem = f"{node.value!r:.60} is a number of base 8 or 60: write it in decimal, or put it in quotes"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key, mark = key_node.value, key_node.start_mark
            if key_node.tag != f"{_YAML_TAG}str":
                raise yaml.MarkedYAMLError(problem=f"keys must be text, got {key!r:.60}", problem_mark=mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r:.60} appears twice", problem_mark=mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _PlainLoader(_Limits, yaml.SafeLoader):
    """The safe loader with limits, whose messages name the line."""


class _QuickLoader(_Limits, CParser, Resolver):
    """The same with a parser in C, ten times as fast."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
