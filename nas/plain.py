"""Descriptions of any form: what a search space from outside decodes to, if not an architecture of cells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.architecture import fingerprint_json
from nas.descriptions import Description, cells_from_json


@dataclass(frozen=True)
class PlainDescription(Mapping[str, Any]):
    """Plain data that describes what a trial evaluates, such as ``{"depth": 3, "rate": 0.1}``, as a read-only mapping.

    Attributes:
        value: a mapping that JSON can hold; not one of cells, which are an `Architecture`.

    Example:
        >>> import nas
        >>> description = nas.PlainDescription({"depth": 3})
        >>> description["depth"], dict(**description)
        (3, {'depth': 3})
    """

    value: Any
    fingerprint: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            kept = json.loads(json.dumps(self.value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError(f"a description must be plain data that JSON can hold: {error}") from None
        if not isinstance(kept, dict) or _is_cells(kept):
            raise ValueError(f"a description must be cells, or a mapping of other keys, got {self.value!r:.200}")
        object.__setattr__(self, "value", kept)
        object.__setattr__(self, "fingerprint", fingerprint_json(kept))

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - as the data
        return self.value[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def to_json(self) -> Any:  # noqa: ANN401 - plain data of any form
        """Returns plain data for JSON."""
        return self.value


def describe(value: Any) -> Description:  # noqa: ANN401 - whatever a space decodes to
    """Returns a description as it is, and plain data as a `PlainDescription`."""
    return value if hasattr(value, "fingerprint") and hasattr(value, "to_json") else PlainDescription(value)


def description_from_json(value: Any) -> Description:  # noqa: ANN401 - any JSON value
    """Rebuilds what a trial evaluates: cells, or plain data."""
    return cells_from_json(value) if _is_cells(value) else PlainDescription(value)


def _is_cells(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return not isinstance(value, dict) or value.keys() == {"arch"} or bool({"normal", "reduction"} & value.keys())
