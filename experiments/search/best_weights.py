"""Keeps the weights of the best trials of a run and removes all others."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from experiments.runs.run_folder import RunFolder
from nas.fronts import front
from nas.objectives import Objectives
from nas.records import Record
from nas.rewards import Reward
from nas.trial import Outcome, Success, Trial


class BestWeights:
    """Removes weights after each outcome; those of trials in flight are kept.

    The weights of `keep` trials are kept: the highest rewards, the earliest trial of each fingerprint; in a search for
    a front, also those on the front, unless `keep` is 0. Weights of `finished` trials of earlier sessions that a crash
    left behind are removed.
    """

    def __init__(
        self,
        folder: RunFolder,
        keep: int,
        finished: Iterable[Record],
        reward: Reward,
        objectives: Objectives | None = None,
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._reward = reward
        self._seen: set[str] = set()
        self._best: list[tuple[float, float, int]] = []
        self._objectives = objectives if keep else None
        self._front: dict[int, tuple[float, ...]] = {}
        unused = set()
        for record in finished:
            self._rank(record.trial, record.outcome)
            unused.add(folder.trial_weights(record.trial.id).name)
        unused.difference_update(folder.trial_weights(trial_id).name for trial_id in self._kept)
        for path in folder.weights.glob("*"):
            if path.name in unused:
                path.unlink()

    def take(self, trial: Trial, outcome: Outcome) -> None:
        """Ranks an outcome, and removes the weights that are no longer among the best."""
        before = self._kept | {trial.id}
        self._rank(trial, outcome)
        for trial_id in before - self._kept:
            self._folder.trial_weights(trial_id).unlink(missing_ok=True)

    @property
    def _kept(self) -> set[int]:
        return {*(trial_id for *_, trial_id in self._best), *self._front}

    def _rank(self, trial: Trial, outcome: Outcome) -> None:
        if not isinstance(outcome, Success) or outcome.was_only_scored:
            return
        if trial.architecture.fingerprint in self._seen:
            return
        self._seen.add(trial.architecture.fingerprint)
        bisect.insort(self._best, (-outcome.progress, -self._reward(outcome), trial.id))
        del self._best[self._keep :]
        if self._objectives is not None:
            self._front[trial.id] = self._objectives(outcome)
            ids = list(self._front)
            best = {ids[place] for place in front(list(self._front.values())).tolist()}
            self._front = {trial_id: values for trial_id, values in self._front.items() if trial_id in best}
