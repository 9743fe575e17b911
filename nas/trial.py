"""Trials and their outcomes: `Success` or `Failure`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Protocol, TypeAlias, get_args

from nas.decisions import Rollout
from nas.fidelity import Fidelity

FailureKind: TypeAlias = Literal["diverged", "out_of_memory", "error", "timeout", "worker_lost", "too_large"]
FAILURE_KINDS: tuple[str, ...] = get_args(FailureKind)


class Description(Protocol):
    """Describes the network of a trial. `nas.architecture.Architecture` describes one made of cells."""

    @property
    def fingerprint(self) -> str:
        """Equal for descriptions of the same network."""
        ...

    def to_json(self) -> Any:  # noqa: ANN401 - plain data of any form
        """Returns plain data for JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """An architecture to be trained and evaluated.

    Attributes:
        id: number of the trial within the run, from 0.
        rollout: decisions of the controller.
        architecture: decoded description of the network.
        fidelity: settings of network, training and data.
        seed: seed of initial weights, batch order and augmentation.
    """

    id: int
    rollout: Rollout
    architecture: Description
    fidelity: Fidelity
    seed: int


@dataclass(frozen=True, slots=True)
class Success:
    """The result of a trial that was trained and evaluated.

    Attributes:
        trial_id: id of the trial.
        accuracy: validation accuracy, between 0 and 1.
        num_parameters: trainable parameters, without the auxiliary head.
        num_multiply_adds: multiply-adds of convolutions and linear layers per image, without the auxiliary head.
        train_seconds: worker time in seconds.
        cached: whether the numbers come from an earlier trial of the same architecture and fidelity.
        metrics: additional metrics by name, such as the test accuracy of a table benchmark. They influence a search
            only through a reward that reads them.
    """

    trial_id: int
    accuracy: float
    num_parameters: int = 0
    num_multiply_adds: int = 0
    train_seconds: float = 0.0
    cached: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1:
            raise ValueError(f"the accuracy of trial {self.trial_id} must be between 0 and 1, got {self.accuracy}")
        if not (math.isfinite(self.train_seconds) and self.train_seconds >= 0):
            raise ValueError(f"train_seconds of trial {self.trial_id} must be 0 or more, got {self.train_seconds}")

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return {"status": "success", **asdict(self)}


@dataclass(frozen=True, slots=True)
class Failure:
    """The result of a trial that failed. Failures are values and never stop a search.

    Attributes:
        trial_id: id of the trial.
        kind: category of the failure, one of `FAILURE_KINDS`.
        error: error message.
        train_seconds: worker time spent in seconds, if known.
    """

    trial_id: int
    kind: FailureKind
    error: str
    train_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in FAILURE_KINDS:
            raise ValueError(f"the kind of a failure must be one of {', '.join(FAILURE_KINDS)}, got {self.kind!r:.100}")

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return {"status": "failure", **asdict(self)}


Outcome: TypeAlias = Success | Failure

_NUMBER_FIELDS = {
    "trial_id": int,
    "num_parameters": int,
    "num_multiply_adds": int,
    "accuracy": float,
    "train_seconds": float,
}


def outcome_from_json(value: Any) -> Outcome:  # noqa: ANN401 - any JSON value
    """Rebuilds an outcome from the result of its `to_json`.

    Raises:
        ValueError: if the value does not describe an outcome.
    """
    if not isinstance(value, dict) or value.get("status") not in ("success", "failure"):
        raise ValueError(f"an outcome must be an object with status success or failure, got {value!r:.100}")
    members = {key: item for key, item in value.items() if key != "status"}
    kind = Success if value["status"] == "success" else Failure
    if unknown := set(members) - {item.name for item in fields(kind)}:
        raise ValueError(f"an outcome has no {', '.join(sorted(map(str, unknown))):.100}")
    for name, number in _NUMBER_FIELDS.items():
        if name in members:
            members[name] = _number(name, members[name], number)
    if type(members.get("cached", False)) is not bool:
        raise ValueError(f"cached must be true or false, got {members['cached']!r:.100}")
    if not isinstance(members.get("error", ""), str):
        raise ValueError(f"the error of a failure must be text, got {members['error']!r:.100}")
    _check_metrics(members.get("metrics", {}))
    try:
        return kind(**members)
    except TypeError as error:
        raise ValueError(f"an outcome is not complete: {error}") from None


def _number(name: str, value: Any, kind: type) -> float:  # noqa: ANN401 - any JSON value
    allowed = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed) or not abs(value) <= 1e300:  # nor nan
        raise ValueError(f"{name} must be a finite number, got {value!r:.100}")
    return value if kind is int else float(value)


def _check_metrics(value: Any) -> None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        raise ValueError(f"metrics must be an object of numbers, got {value!r:.100}")
    for name, item in value.items():
        if not isinstance(name, str):
            raise ValueError(f"the name of a metric must be text, got {name!r:.100}")
        _number(f"metric {name:.100}", item, float)
