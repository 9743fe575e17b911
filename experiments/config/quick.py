"""The settings of ``--quick``: a few steps of everything, to see that a command runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard

from experiments.config.kinds import ConfigKind, Document

Values = Mapping[str, Any]
_EPOCHS = {"recipe.epochs": 1, "recipe.batch_size": 16, "recipe.accumulate": 1}
_ITERATIONS = {
    "recipe.iterations": 6,
    "recipe.batch_size": 2,
    "recipe.record_iterations": 2,
    "recipe.checkpoint_iterations": 4,
}
LIMITS: Mapping[str, Values] = MappingProxyType(
    {
        "search": {**_EPOCHS, "search.num_trials": 4},
        "train": _EPOCHS,
        "select": {**_EPOCHS, "recipe.epochs": 3, "tournament.top": 2, "tournament.random": 2},
        "ablate": {**_EPOCHS, "ablation.num_seeds": 1},
        "detect": {**_ITERATIONS, "data.num_train": 8, "data.num_evaluated": 4},
        "segment": _ITERATIONS,
        "study pretraining": {
            **_ITERATIONS,
            "data.num_train": 4,
            "data.num_evaluated": 4,
            "study.num_seeds": 1,
            "study.num_known": 4,
        },
    }
)
"""The largest values of the settings of a quick run, by command and dotted key."""

VALUES: Mapping[str, Values] = MappingProxyType(
    {
        "select": {"tournament.grace_epochs": 1},
        "detect": {"recipe.evaluation_iterations": 0, "detection.schedule": None},
        "segment": {
            "recipe.evaluation_iterations": 0,
            "test.shifts": ["brightness"],
            "test.training": False,
        },
        "study pretraining": {"recipe.evaluation_iterations": 0, "study.schedules": ["1x"], "study.fractions": [1.0]},
    }
)
"""Settings of a quick run that are replaced, likewise."""
_SHARING = ("training", "ablation", "detection", "segmentation")
"""First sections of the configurations whose workers share each batch."""


def make_quick(document: Document, kind: ConfigKind, given: Collection[str]) -> None:
    """Shortens a document in place, except for the settings that are given, by dotted key.

    The values are written out like all others, so that a folder of a quick run accepts no other run.
    """
    limits, open_values = LIMITS[kind.command], _OpenSettings(document, given)
    for place, limit in limits.items():
        open_values.limit(place, limit)
    for place, value in VALUES.get(kind.command, {}).items():
        open_values.set(place, value)
    if (rungs := document.get("search", {}).get("rungs")) is not None:  # a rung, and an epoch after it
        open_values.set("recipe.epochs", 2)
        scores = {key: value for key, value in rungs.items() if key == "scores"} if isinstance(rungs, Mapping) else {}
        open_values.set("search.rungs", {"epochs": [1], "eta": 2.0, **scores})
    shared = document["workers"].get("num_workers") if kind.sections[0] in _SHARING else 1
    open_values.set("recipe.batch_size", _divisible(document["recipe"]["batch_size"], shared))
    if not kind.counts_iterations:
        open_values.set("data.validation_fraction", 0.5)
        number = _num_train(document)
        if number is None:
            open_values.set("data.num_train", None)
        else:
            open_values.limit("data.num_train", number)


class _OpenSettings:
    """The settings of a document that are not given."""

    def __init__(self, document: Document, given: Collection[str]) -> None:
        self._document = document
        self._given = given

    def set(self, place: str, value: Any) -> None:  # noqa: ANN401 - plain data
        section, _, key = place.partition(".")
        if place not in self._given:
            self._document[section][key] = value

    def limit(self, place: str, limit: int) -> None:
        section, _, key = place.partition(".")
        value = self._document[section].get(key)
        self.set(place, min(value, limit) if _is_whole(value) else limit)


def _divisible(batch: Any, num_workers: Any) -> Any:  # noqa: ANN401 - not validated
    """The largest batch up to the given one, or the smallest at all, that the workers can share evenly."""
    if not (_is_whole(batch) and _is_whole(num_workers) and num_workers > 0):
        return batch
    return max(batch // num_workers, 1) * num_workers


def _num_train(document: Document) -> int | None:
    """Images for two batches, and for each class in both splits; None, which means all, if there are hardly more."""
    batch, held_out = document["recipe"]["batch_size"], document["data"]["validation_fraction"]
    if not (_is_whole(batch) and isinstance(held_out, float) and 0 < held_out < 1):
        return None  # the validation refuses it
    num_classes, num_images = _count_images(document["data"])
    of_class = math.ceil(1 / min(held_out, 1 - held_out))
    number = max(num_classes * of_class, math.ceil(2 * batch / (1 - held_out)))
    return number if num_images > 2 * number else None


def _count_images(data: Values) -> tuple[int, int]:
    """The number of classes and of training images, from the names in the folder; small data sets count as large."""
    root = data.get("root")
    if not isinstance(root, str):
        return 10, 1_000_000  # the embedded and downloaded data sets have ten classes
    folder = Path(root).expanduser()
    folder = folder / "train" if (folder / "train").is_dir() else folder
    if not folder.is_dir():
        return 0, 0  # reading the images refuses it
    classes = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return len(classes), sum(sum(1 for _ in each.iterdir()) for each in classes)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
