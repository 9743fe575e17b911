"""Finished trials, and the contents of a ledger from which a search resumes."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter

from nas.rewards import Accuracy, Reward
from nas.rungs import RungReport
from nas.trial import Outcome, Success, Trial


@dataclass(frozen=True, slots=True)
class Record:
    """A finished trial with its outcome.

    Attributes:
        asked_at: when the controller was asked for it, in seconds since 1970.
        finished_at: when its outcome arrived, in seconds since 1970.
        stored_fingerprint: fingerprint of the architecture as stored in the ledger; None for a record from elsewhere.
    """

    trial: Trial
    outcome: Outcome
    asked_at: float
    finished_at: float
    stored_fingerprint: str | None = None

    @property
    def num_epochs(self) -> int:
        """Epochs that were trained for it; 0 for a cached outcome, shared weights and a failure: they are not known."""
        if not isinstance(self.outcome, Success) or self.outcome.cached or self.trial.fidelity.shared_steps is not None:
            return 0
        stopped = self.outcome.stopped_after
        return self.trial.fidelity.recipe.epochs if stopped is None else stopped

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the architecture; a stored one is trusted, since computing it dominates the reading time."""
        return self.trial.architecture.fingerprint if self.stored_fingerprint is None else self.stored_fingerprint


@dataclass(frozen=True, slots=True)
class LedgerContents:
    """Trials in the order of finishing, trials in flight in that of asking, reports at rungs in that of arriving.

    `warning` says what a damaged file made it drop.
    """

    finished: list[Record] = field(default_factory=list)
    pending: list[Trial] = field(default_factory=list)
    reports: list[RungReport] = field(default_factory=list)
    warning: str | None = None

    def best(self, count: int, reward: Reward = Accuracy()) -> list[Record]:  # noqa: B008 - it is immutable
        """Returns the successes with the highest reward, best first; only the earliest trial of each fingerprint.

        Trials that early stopping ended follow those that came further; those that were only scored have no reward.
        """
        ranked: dict[str, tuple[float, float, int, Record]] = {}
        for record in self.finished:
            outcome = record.outcome
            if not isinstance(outcome, Success) or outcome.was_only_scored:
                continue
            if record.fingerprint not in ranked:
                ranked[record.fingerprint] = -outcome.progress, -reward(outcome), record.trial.id, record
        return [record for *_, record in sorted(ranked.values(), key=itemgetter(0, 1, 2))[:count]]
