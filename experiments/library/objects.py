"""Turns Python objects into sections of a configuration; those from outside are plugged in and named."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.errors import PydanticUserError

from experiments.config.parsing.sections import dump_settings
from experiments.config.search_config import TABLES
from nas.data.data_set import DataSet
from nas.data.load import DATA_SETS
from nas.objectives import Objective
from nas.plugins import DATA_PREFIX, name_of, plug_in


def section(what: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any object
    """Returns the section ``space``, ``controller``, ``reward`` or ``evaluator`` that an object stands for.

    It may be a name, a mapping with a name and settings, an object of this project, or one from outside. Raises
    ValueError if it does not fit.
    """
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping):
        return dict(value)
    name = _known_name(what, value)
    if name is None:
        name = _plugged_in(what, value)
        _ = TABLES[what][name]
    is_instance = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return {"name": name, **(_settings(what, value) if is_instance else {})}


def data_section(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any object
    """Returns the settings ``data`` for a data set, a function that loads one, a name, a folder or a mapping.

    A `DataSet` is named by the digest of its images and labels, so a run is resumed with the same images only.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, DataSet):
        return {"name": plug_in(value, f"{DATA_PREFIX}sha256_{_digest(value)}", on_workers=False)}
    if callable(value):
        return {"name": _plugged_in("data", value)}
    if isinstance(value, str) and value in DATA_SETS:
        return {"name": value}
    if isinstance(value, str | Path):
        return {"name": "image_folder", "root": str(Path(value).resolve())}
    raise ValueError(f"data must be a DataSet, a function that loads one, a name or a folder, got {value!r:.100}")


def objectives_section(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any object
    """Returns the settings ``objectives`` for names, `Objectives`, or a mapping of the settings."""
    if isinstance(value, Mapping):
        latency = value.get("latency")
        return {**value, **({} if latency is None else {"latency": spec_section(latency)})}
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"objectives must be names, Objectives, or a mapping of settings, got {value!r:.100}")
    return {"names": [each.setting if isinstance(each, Objective) else each for each in value]}


def spec_section(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any object
    """Returns the settings in a mapping or in a settings object, such as a `NetworkSpec`."""
    return dict(value) if isinstance(value, Mapping) else dump_settings(value)


def _known_name(what: str, value: Any) -> str | None:  # noqa: ANN401 - any object
    """Name of the entry of this project that an object is, or whose settings or space it holds."""
    same: Mapping[str, Callable[[Any], bool]] = {
        "space": lambda entry: type(entry.space) is type(value),
        "controller": lambda entry: entry.build is value or (entry.settings and type(value) is entry.settings),
        "wrapper": lambda entry: entry.build is value or (entry.settings and type(value) is entry.settings),
        "reward": lambda entry: value is entry or type(value) is entry,
        "evaluator": lambda entry: entry.evaluate is value or (entry.settings and type(value) is entry.settings),
    }
    names = [name for name, entry in TABLES[what].items() if same[what](entry)]
    equal = [name for name in names if what == "space" and TABLES[what][name].space == value]
    return next(iter((*equal, *names)), None)


def _plugged_in(what: str, value: Any) -> str:  # noqa: ANN401 - any object
    """Plugs an object in; functions without a name of their own are told apart by what they are for."""
    name = name_of(value)
    return plug_in(value, f"{name}_{what}" if name.endswith("lambda") else name)


def _settings(what: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    try:
        return dump_settings(value)
    except PydanticUserError as error:
        raise ValueError(f"the fields of the {what} {type(value).__name__} must be plain data: {error}") from None


def _digest(data: DataSet) -> str:
    digest = hashlib.sha256()
    for split in (data.train, data.validation):
        for array in (split.images, split.labels):
            digest.update(str(array.shape).encode() + array.tobytes())
    return digest.hexdigest()[:16]
