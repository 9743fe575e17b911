"""Masks secrets in settings before they are shown, logged or written to reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_SECTION = "env_vars"
_PASSWORD = re.compile(r"(?P<scheme>\b[a-zA-Z][\w+.-]*://)(?:(?P<user>[^/\s:@]*):[^/\s]*|(?!git@)[^/\s:@]+)@")


def masked(value: Any, *, inside: bool = False) -> Any:  # noqa: ANN401 - plain data of any form
    """Returns a copy of plain data without secrets.

    Masked are the values of environment variables, passwords in URIs such as ``http://user:password@host``, and tokens
    in place of a user, as in ``https://token@host``. With `inside`, every value is masked.
    """
    if isinstance(value, Mapping):
        return {key: masked(item, inside=inside or key == _SECTION) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, inside=inside) for item in value]
    if inside:
        return MASK
    return _PASSWORD.sub(_mask, value) if isinstance(value, str) else value


def has_secrets(value: Any) -> bool:  # noqa: ANN401 - plain data of any form
    """Returns whether `masked` would hide anything."""
    return bool(masked(value) != value)


def _mask(found: re.Match[str]) -> str:
    user = found["user"]
    return f"{found['scheme']}{MASK}@" if user is None else f"{found['scheme']}{user}:{MASK}@"
