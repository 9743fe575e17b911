"""The reward of a run, by which its trials are ranked, from the configuration in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.config.sections import validate_section
from experiments.config.unknown_names import unknown_name
from nas.rewards import REWARDS, Reward


def stored_reward(document: Mapping[str, Any] | None) -> Reward:
    """The reward that a configuration names; accuracy if there is no configuration, or it names none.

    Raises:
        ValueError: if it names one that does not exist, or with settings that it may not have.
    """
    section = (document or {}).get("reward") or {}
    if not isinstance(section, Mapping):
        raise ValueError(f"section reward must be a mapping of settings, got {section!r:.60}")
    settings = dict(section)
    name = settings.pop("name", "accuracy")
    if not isinstance(name, str) or name not in REWARDS:
        raise unknown_name("reward", name, REWARDS)
    return validate_section("reward", settings, REWARDS[name])
