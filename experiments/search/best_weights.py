"""Keeps the weights of the best trials of a run and removes all others."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from experiments.runs.run_folder import RunFolder
from nas.records import Record
from nas.rewards import Reward
from nas.trial import Outcome, Success, Trial


class BestWeights:
    """Removes weights after each outcome; those of trials in flight are kept.

    The weights of `keep` trials are kept: the highest rewards, the earliest trial of each fingerprint. Weights of
    `finished` trials of earlier sessions that a crash left behind are removed.
    """

    def __init__(self, folder: RunFolder, keep: int, finished: Iterable[Record], reward: Reward) -> None:
        self._folder = folder
        self._keep = keep
        self._reward = reward
        self._seen: set[str] = set()
        self._best: list[tuple[float, float, int]] = []
        unused = set()
        for record in finished:
            self._rank(record.trial, record.outcome)
            unused.add(folder.trial_weights(record.trial.id).name)
        unused.difference_update(folder.trial_weights(trial_id).name for *_, trial_id in self._best)
        for path in folder.weights.glob("*"):
            if path.name in unused:
                path.unlink()

    def take(self, trial: Trial, outcome: Outcome) -> None:
        """Ranks an outcome, and removes the weights that are no longer among the best."""
        if (evicted := self._rank(trial, outcome)) is not None:
            self._folder.trial_weights(evicted).unlink(missing_ok=True)

    def _rank(self, trial: Trial, outcome: Outcome) -> int | None:
        """Returns the trial whose weights are no longer among the best, if any."""
        if not isinstance(outcome, Success) or trial.architecture.fingerprint in self._seen:
            return trial.id
        self._seen.add(trial.architecture.fingerprint)
        bisect.insort(self._best, (-outcome.progress, -self._reward(outcome), trial.id))
        return self._best.pop()[-1] if len(self._best) > self._keep else None
