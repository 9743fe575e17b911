"""Sections that name an entry of a table, with its settings beside the name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.config.kinds import SEARCH
from experiments.config.parsing.sections import validate_section
from experiments.config.parsing.unknown_names import unknown_name
from nas.rewards import REWARDS, Reward


def split_named(what: str, section: Mapping[str, Any], table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Splits a section into the name, which must be in the table, and the settings beside it."""
    name = section["name"]
    if not isinstance(name, str) or name not in table:
        raise unknown_name(what, name, table)
    return name, {key: value for key, value in section.items() if key != "name"}


def optional_settings(what: str, name: str, settings: Mapping[str, Any], kind: type[Any] | None) -> Any:  # noqa: ANN401
    """The settings of an entry that may have none, in which case the result is None."""
    if kind is not None:
        return validate_section(what, settings, kind)
    if settings:
        raise ValueError(f"{what} {name} has no settings, got {', '.join(map(str, settings)):.200}")
    return None


def parse_reward(document: Mapping[str, Any] | None) -> tuple[str, Reward]:
    """Name and settings of the reward in a document; accuracy where it has none."""
    section = (document or {}).get("reward") or {}
    if not isinstance(section, Mapping):
        raise ValueError(f"section reward must be a mapping of settings, got {section!r:.60}")
    name, settings = split_named("reward", {"name": SEARCH.named["reward"], **section}, REWARDS)
    return name, validate_section("reward", settings, REWARDS[name])


def stored_reward(document: Mapping[str, Any] | None) -> Reward:
    """The reward by which the trials of a run are ranked; see `parse_reward`."""
    return parse_reward(document)[1]
