"""The kinds of configuration: which sections each has, and what may differ when a run is resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, dict[str, Any]]
"""A configuration as plain data: settings by section."""

_OF_DATA = (("data", "root"), ("data", "split"))
_FREE = ("data.root", "data.cache_mib", "data.check_pictures", "workers.")


@dataclass(frozen=True, slots=True)
class ConfigKind:
    """A kind of configuration.

    Attributes:
        command: The command that takes it.
        sections: Its sections; the first one tells it from the other kinds.
        named: Sections that name an entry of a table, with the default name; None if that depends on other sections.
        adopted: (section, key) of settings that a resumed run takes from its folder where they are not given again.
        free: Settings, or sections with a final dot, that may differ when a run is resumed.
        bound: Exceptions from `free`.
        evidence: Files or folders that show that something was measured, which binds the folder to its configuration.
        result: The file of a finished run that is never added to; None if a run can always be added to.
        converts: Makes a document of this kind from one of another, by the command of the other kind.
    """

    command: str
    sections: tuple[str, ...]
    named: Mapping[str, str | None] = field(default_factory=dict)
    adopted: tuple[tuple[str, str], ...] = (("data", "root"),)
    free: tuple[str, ...] = _FREE
    bound: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ("state.safetensors",)
    result: str | None = "result.json"
    converts: Mapping[str, Callable[[Document], Document]] = field(default_factory=dict)

    @property
    def counts_iterations(self) -> bool:
        """Whether its trainings count iterations instead of epochs."""
        return "detector" in self.sections or "head" in self.sections

    def may_differ(self, key: str) -> bool:
        """Whether a setting, by dotted key, may differ when a run is resumed."""
        return key not in self.bound and any(
            key == free or (free[-1] == "." and key.startswith(free)) for free in self.free
        )


def _study_from_detection(document: Document) -> Document:
    """Takes seed, start and the resources of a worker from a detector's configuration."""
    start = document.pop("detection")
    document.pop("test", None)
    workers = {key: value for key, value in document["workers"].items() if key in ("address", "cpus", "gpus")}
    return {"study": {"seed": start.get("seed", 0), "pretrained": start.get("start")}, **document, "workers": workers}


def _one_worker_each(document: Document) -> Document:
    """A training's configuration for a tournament, in which each candidate is trained by one worker."""
    num_workers = document["workers"].pop("num_workers", 1)
    if num_workers != 1:
        raise ValueError(
            f"each candidate of a tournament is trained by 1 worker, got workers.num_workers {num_workers}; "
            "--workers sets how many candidates are trained at a time"
        )
    return {"tournament": {}, **document}


SEARCH = ConfigKind(
    "search",
    (
        *("space", "controller", "wrapper", "reward", "objectives", "evaluator", "shifts", "search"),
        *("network", "recipe", "data", "workers", "trackers"),
    ),
    named={
        "space": "nasnet",
        "controller": "ppo",
        "wrapper": None,
        "reward": "accuracy",
        "evaluator": "train_and_validate",
    },
    adopted=(
        *(("network", key) for key in ("num_classes", "in_channels", "image_size")),
        *(*_OF_DATA, ("wrapper", "name")),
    ),
    free=(*_FREE, "search.num_trials", "search.max_first_failures", "trackers."),
    bound=("workers.max_parameters", "workers.max_multiply_adds"),
    evidence=("ledger.jsonl",),
    result=None,
)
_TRAINING = ("training", "network", "recipe", "data", "workers")
_START = (*_OF_DATA, ("training", "start"), ("training", "teacher"))
TRAINING = ConfigKind("train", _TRAINING, adopted=_START)
TOURNAMENT = ConfigKind(
    "select",
    ("tournament", *_TRAINING),
    adopted=_START,
    evidence=("candidates",),
    result="tournament.json",
    converts={"train": _one_worker_each},
)
ABLATION = ConfigKind(
    "ablate",
    ("ablation", *_TRAINING),
    adopted=_START,
    free=(*_FREE, "ablation.num_seeds"),
    evidence=("00-plain", "ablation.json"),
    result=None,
    converts={"train": lambda document: {"ablation": {}, **document}},
)
_DENSE_FREE = (
    *_FREE,
    *(f"recipe.{name}" for name in ("device", "num_threads")),
    *(f"recipe.{name}_iterations" for name in ("record", "checkpoint", "evaluation")),
)
_DENSE_ADOPTED = (("data", "root"), ("recipe", "mean"), ("recipe", "std"))
DETECTION = ConfigKind(
    "detect",
    ("detection", "network", "detector", "recipe", "data", "test", "workers"),
    adopted=_DENSE_ADOPTED,
    free=(*_DENSE_FREE, "test."),
)
SEGMENTATION = ConfigKind(
    "segment",
    ("segmentation", "network", "head", "recipe", "data", "test", "workers"),
    adopted=_DENSE_ADOPTED,
    free=(*_DENSE_FREE, "test."),
)
STUDY = ConfigKind(
    "study pretraining",
    ("study", "network", "detector", "recipe", "data", "workers"),
    adopted=(*_DENSE_ADOPTED, ("study", "pretrained")),
    free=(*_DENSE_FREE, *(f"study.{name}" for name in ("pretrained", "seed", "num_seeds", "schedules", "fractions"))),
    evidence=("trainings", "study.json"),
    result=None,
    converts={"detect": _study_from_detection},
)
KINDS = (SEARCH, TRAINING, TOURNAMENT, ABLATION, DETECTION, SEGMENTATION, STUDY)
_TOLD_BY = {kind.sections[0]: kind for kind in (TOURNAMENT, ABLATION, TRAINING, DETECTION, SEGMENTATION, STUDY)}


def kind_of(document: Mapping[str, Any]) -> ConfigKind:
    """The kind of a document: that of the first section by which one is known, else a search."""
    return next((kind for section, kind in _TOLD_BY.items() if section in document), SEARCH)
