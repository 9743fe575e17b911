"""Secrets: hidden wherever settings are shown, and nothing else is."""

import pytest

from experiments.config.parsing.secrets import MASK, has_secrets, masked


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            {"runtime_env": {"env_vars": {"TOKEN": "abc", "N": 1}}},
            {"runtime_env": {"env_vars": {"TOKEN": MASK, "N": MASK}}},
        ),
        ("http://me:secret@host:5000/path", f"http://me:{MASK}@host:5000/path"),
        ("postgresql+psycopg2://me:p:w@host/db", f"postgresql+psycopg2://me:{MASK}@host/db"),
        (["torch", "https://token@example.org/simple"], ["torch", f"https://{MASK}@example.org/simple"]),
        ("git+ssh://git@example.org/me/it", "git+ssh://git@example.org/me/it"),
        ("http://host:5000", "http://host:5000"),
        ("me@example.org", "me@example.org"),
        ({"search": {"seed": 3, "x": None}}, {"search": {"seed": 3, "x": None}}),
    ],
)
def test_what_is_shown(value, shown):
    assert masked(value) == shown
    assert has_secrets(value) == (value != shown)
