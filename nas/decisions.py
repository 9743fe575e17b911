"""All that a controller ever sees of a search space, and all that a search space ever sees of a controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision to be made.

    Attributes:
        name: unique within its space, such as ``normal/block2/left/op``.
        kind: what sort of thing is chosen: ``source``, ``op``, ``combine``, ``norm``, ... Embeddings and output heads
            of a policy are shared by kind; option ``i`` means the same in every choice of a kind.
        num_options: how many options there are, numbered from 0.
    """

    name: str
    kind: str
    num_options: int

    def __post_init__(self) -> None:
        if self.num_options < 1:
            raise ValueError(f"choice {self.name} must have at least 1 option, got {self.num_options}")


@dataclass(frozen=True, slots=True)
class Rollout:
    """One complete tuple of decisions, and its log-probability under the policy that made it, at the time it did.

    The log-probability is a plain float: no autograd graph waits for a worker, and PPO's ratio stays right when
    outcomes come late and out of order.
    """

    decisions: tuple[int, ...]
    log_prob: float

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return {"decisions": list(self.decisions), "log_prob": self.log_prob}

    @classmethod
    def from_json(cls, value: Any) -> Rollout:  # noqa: ANN401 - whatever JSON holds
        """Rebuilds a rollout from what `to_json` gave.

        Raises:
            ValueError: if the value does not have that form.
        """
        if not isinstance(value, dict) or set(value) != {"decisions", "log_prob"}:
            raise ValueError(f"a rollout must be an object with decisions and log_prob, got {value!r:.200}")
        decisions, log_prob = value["decisions"], value["log_prob"]
        if not isinstance(decisions, list) or not all(type(d) is int and d >= 0 for d in decisions):
            raise ValueError(f"decisions must be a list of whole numbers from 0, got {decisions!r:.200}")
        if isinstance(log_prob, bool) or not isinstance(log_prob, int | float) or not -1e300 < log_prob <= 0:
            raise ValueError(f"a log-probability must be a finite number of at most 0, got {log_prob!r:.200}")
        return cls(tuple(decisions), float(log_prob))


def check_decisions(decisions: tuple[int, ...], choices: tuple[Choice, ...]) -> None:
    """Raises ValueError unless there is one decision for each choice and each is one of its options."""
    if len(decisions) != len(choices):
        raise ValueError(f"there must be {len(choices)} decisions, one for each choice, got {len(decisions)}")
    for decision, choice in zip(decisions, choices, strict=True):
        if not 0 <= decision < choice.num_options:
            raise ValueError(f"choice {choice.name} has options 0..{choice.num_options - 1}, got {decision}")
