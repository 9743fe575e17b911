"""Choices and decisions: the only data that search spaces and controllers exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that a controller has to make, between `num_options` options numbered from 0.

    Attributes:
        name: unique within its space, e.g. ``normal/block2/left/op``.
        kind: ``source``, ``op``, ``combine``, ``norm``, ... Policies share embeddings and output heads between choices
            of a kind; option ``i`` means the same in all of them.

    Example:
        >>> import nas
        >>> nas.Choice("depth", kind="depth", num_options=4).num_options
        4
    """

    name: str
    kind: str
    num_options: int

    def __post_init__(self) -> None:
        if self.num_options < 1:
            raise ValueError(f"choice {self.name} must have at least 1 option, got {self.num_options}")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A complete tuple of decisions with its log-probability under the policy when it was drawn.

    The log-probability is a plain float: no autograd graph is kept while a trial runs, and PPO's probability ratio
    stays correct when outcomes arrive late or out of order.

    Attributes:
        decisions: one option for each choice.
        log_prob: log-probability under the policy that drew the decisions, in nats.
        weight: importance weight: probability under that policy, divided by the probability with which the decisions
            were proposed. 1 for a controller's own draw; 0 where something else chose the decisions, so that a policy
            gradient learns nothing from them. A wrapper may leave it 1 where it chose among several of the controller's
            draws: the policy then follows that choice too (see `controllers.surrogate.Surrogate`).

    Example:
        >>> import nas
        >>> nas.Rollout((1, 0), log_prob=-1.4).to_json()
        {'decisions': [1, 0], 'log_prob': -1.4}
    """

    decisions: tuple[int, ...]
    log_prob: float
    weight: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON; a weight of 1 is left out."""
        value = {"decisions": list(self.decisions), "log_prob": self.log_prob}
        return value if self.weight == 1.0 else {**value, "weight": self.weight}

    @classmethod
    def from_json(cls, value: Any) -> Rollout:  # noqa: ANN401 - any JSON value
        """Rebuilds a rollout; raises ValueError if the value does not describe one."""
        if not isinstance(value, dict) or set(value) - {"weight"} != {"decisions", "log_prob"}:
            raise ValueError(f"a rollout must be an object with decisions and log_prob, got {value!r:.200}")
        decisions, log_prob, weight = value["decisions"], value["log_prob"], value.get("weight", 1.0)
        if not isinstance(decisions, list) or not all(type(d) is int and d >= 0 for d in decisions):
            raise ValueError(f"decisions must be a list of whole numbers from 0, got {decisions!r:.200}")
        if isinstance(log_prob, bool) or not isinstance(log_prob, int | float) or not -1e300 < log_prob <= 0:
            raise ValueError(f"a log-probability must be a finite number of at most 0, got {log_prob!r:.200}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < 1e300:
            raise ValueError(f"a weight must be a finite number of at least 0, got {weight!r:.200}")
        return cls(tuple(decisions), float(log_prob), float(weight))


def check_decisions(decisions: tuple[int, ...], choices: tuple[Choice, ...]) -> None:
    """Raises ValueError unless there is exactly one decision per choice, each within its options."""
    if len(decisions) != len(choices):
        raise ValueError(f"there must be {len(choices)} decisions, one for each choice, got {len(decisions)}")
    for decision, choice in zip(decisions, choices, strict=True):
        if not 0 <= decision < choice.num_options:
            raise ValueError(f"choice {choice.name} has options 0..{choice.num_options - 1}, got {decision}")
