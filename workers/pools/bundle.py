"""How many children one Ray task runs: several one after the other, where a task costs more than they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nas.trial import Outcome

TASK_SECONDS: Final = 0.02
"""What a bundle should take; starting a task and hearing of it takes some milliseconds."""
MAX_CHILDREN: Final = 16
"""Of a bundle: more would save little, and what a policy learns would come ever later."""
_FORGET = 0.8


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says between two children.

    Attributes:
        outcomes: of the children that have ended since the report before; none in the first, which says that the task
            has started.
        seconds: that they took, together.
    """

    outcomes: tuple[Outcome, ...] = ()
    seconds: float = 0.0


class BundleSize:
    """Finds the number of children for a task from what the last ones took.

    Children of more than `TASK_SECONDS` always come alone, and so does everything until the first has ended. One long
    child is believed at once, short ones only after a while.

    Args:
        most: children of a task.
    """

    def __init__(self, most: int = MAX_CHILDREN) -> None:
        self._most = most
        self._child_seconds = TASK_SECONDS

    @property
    def size(self) -> int:
        """Children of the next task."""
        return max(1, min(self._most, int(TASK_SECONDS / max(self._child_seconds, 1e-6))))

    def add(self, report: Report) -> None:
        """Takes what a worker has said."""
        if report.outcomes:
            latest = report.seconds / len(report.outcomes)
            self._child_seconds = max(latest, _FORGET * self._child_seconds + (1 - _FORGET) * latest)
