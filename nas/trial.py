"""Trials and their outcomes: `Success` or `Failure`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, TypeAdapter, ValidationError

from nas.decisions import Rollout
from nas.descriptions import Description
from nas.fidelity import Fidelity

FailureKind: TypeAlias = Literal["diverged", "out_of_memory", "error", "timeout", "worker_lost", "too_large"]
FAILURE_KINDS: tuple[str, ...] = get_args(FailureKind)
_Count = Annotated[int, Field(strict=True, le=2**63)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Trial:
    """An architecture, decoded from a controller's rollout, to be trained and evaluated.

    Attributes:
        id: number of the trial within the run, from 0.
        seed: seed of initial weights, batch order and augmentation.
        until_epoch: number of epochs after which the evaluator stores the state of the training and returns, see
            `nas.rungs`, 0 to return scores without training; None trains to the end. Set by a pool, and not stored in a
            ledger.

    Example:
        >>> import nas
        >>> rollout = nas.Rollout((0,), log_prob=0.0)
        >>> nas.Trial(0, rollout, nas.PUBLISHED["nasnet-a"], nas.Fidelity(), seed=1).id
        0
    """

    id: int
    rollout: Rollout
    architecture: Description
    fidelity: Fidelity
    seed: int
    until_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Success:
    """The result of a trial that was trained and evaluated.

    Attributes:
        accuracy: validation accuracy, between 0 and 1.
        num_parameters: trainable parameters, without the auxiliary head.
        num_multiply_adds: multiply-adds of convolutions and linear layers per image, without the auxiliary head.
        train_seconds: worker time in seconds.
        cached: whether the numbers come from an earlier trial of the same architecture and fidelity.
        metrics: additional metrics by name, such as a table benchmark's test accuracy, for rewards that read them.
        stopped_after: epochs after which early stopping ended the training; None if it ran to its end. 0: scores ended
            the trial before its training, so that its accuracy, 0, was not measured.

    Example:
        >>> import nas
        >>> nas.Success(0, accuracy=0.9, metrics={"latency": 1.5}).accuracy
        0.9
    """

    __pydantic_config__ = _STRICT

    trial_id: StrictInt
    accuracy: StrictFloat
    num_parameters: _Count = 0
    num_multiply_adds: _Count = 0
    train_seconds: StrictFloat = 0.0
    cached: StrictBool = False
    metrics: Mapping[StrictStr, StrictFloat] = field(default_factory=dict, hash=False)
    stopped_after: Annotated[int, Field(strict=True, ge=0)] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1:
            raise ValueError(f"the accuracy of trial {self.trial_id} must be between 0 and 1, got {self.accuracy}")
        if not (math.isfinite(self.train_seconds) and self.train_seconds >= 0):
            raise ValueError(f"train_seconds of trial {self.trial_id} must be 0 or more, got {self.train_seconds}")

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON; `stopped_after` is left out where it is None, as in older ledgers."""
        value = {"status": "success", **asdict(self)}
        if self.stopped_after is None:
            del value["stopped_after"]
        return value

    @property
    def progress(self) -> float:
        """How far the training came, for comparing outcomes: epochs until it was stopped, infinite if it was not."""
        return math.inf if self.stopped_after is None else float(self.stopped_after)

    @property
    def was_only_scored(self) -> bool:
        """Whether early stopping ended the trial before its training: it then has neither accuracy nor reward."""
        return self.stopped_after == 0


@dataclass(frozen=True, slots=True)
class Failure:
    """The result of a trial that failed. Failures are values and never stop a search.

    Attributes:
        kind: one of `FAILURE_KINDS`.
        error: error message.
        train_seconds: worker time spent in seconds, if known.

    Example:
        >>> import nas
        >>> nas.Failure(0, "diverged", "the loss is not finite").kind
        'diverged'
    """

    __pydantic_config__ = _STRICT

    trial_id: StrictInt
    kind: FailureKind
    error: StrictStr
    train_seconds: StrictFloat = 0.0

    def __post_init__(self) -> None:
        if self.kind not in FAILURE_KINDS:
            raise ValueError(f"the kind of a failure must be one of {', '.join(FAILURE_KINDS)}, got {self.kind!r:.100}")

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return {"status": "failure", **asdict(self)}


Outcome: TypeAlias = Success | Failure

_PARSERS: Mapping[str, TypeAdapter[Outcome]] = {"success": TypeAdapter(Success), "failure": TypeAdapter(Failure)}


def outcome_from_json(value: Any) -> Outcome:  # noqa: ANN401 - any JSON value
    """Rebuilds an outcome; raises ValueError, whose message names the first invalid member."""
    status = value.get("status") if isinstance(value, dict) else None
    if not isinstance(status, str) or status not in _PARSERS:
        raise ValueError(f"an outcome must be an object with status success or failure, got {value!r:.100}")
    try:
        return _PARSERS[status].validate_python({k: v for k, v in value.items() if k != "status"})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"{part}: " for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"an outcome is not valid: {place:.100}{message:.200}") from None
