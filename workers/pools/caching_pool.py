"""A pool that measures no architecture twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias

from nas.protocols import Pool
from nas.trial import Failure, Outcome, Success, Trial

_Key: TypeAlias = tuple[str, str]


class CachingPool:
    """Wraps a pool: what was measured at the same fidelity is told again, not trained again.

    Two trials are the same if their architectures' fingerprints and their fidelities' fingerprints are; their seeds
    are not compared. A trial whose architecture is in flight waits for that measurement. Failures are not kept: another
    attempt, with another seed or on another worker, may succeed. The one exception is ``too_large``, which the
    architecture alone decides.

    Trials that only wait take up no worker: the capacity is that of the wrapped pool plus them, up to twice that of
    the wrapped pool. Without that bound a policy that has converged to one architecture would be asked for ever.

    Args:
        pool: what measures; entered and left with this pool.
        known: trials with their outcomes from earlier on, such as a ledger's.
    """

    def __init__(self, pool: Pool, known: Iterable[tuple[Trial, Outcome]] = ()) -> None:
        self._pool = pool
        self._known: dict[_Key, Outcome] = {}
        self._in_flight: set[int] = set()
        self._ready: deque[Outcome] = deque()
        self._measured: dict[int, Trial] = {}
        self._followers: dict[_Key, deque[Trial]] = {}
        for trial, outcome in known:
            self._keep(_key(trial), outcome)

    @property
    def capacity(self) -> int:
        """How many trials are useful now: those that the wrapped pool holds, and those that only wait."""
        inner = self._pool.capacity
        num_waiting = len(self._ready) + sum(len(trials) for trials in self._followers.values())
        return inner + min(num_waiting, inner)

    def submit(self, trial: Trial) -> None:
        """Takes a trial; it reaches the wrapped pool only if nothing like it is known or in flight.

        Raises:
            ValueError: if a trial of that number is in flight.
        """
        if trial.id in self._in_flight:
            raise ValueError(f"trial {trial.id} is in flight already")
        self._in_flight.add(trial.id)
        key = _key(trial)
        if key in self._known:
            self._ready.append(_repeated(self._known[key], trial))
        elif key in self._followers:
            self._followers[key].append(trial)
        else:
            self._measure(trial)

    def next_outcome(self) -> Outcome:
        """Returns a known outcome if one is due, or else waits for the wrapped pool.

        Raises:
            RuntimeError: if no trial is in flight.
        """
        if self._ready:
            outcome = self._ready.popleft()
        else:
            outcome = self._pool.next_outcome()
            self._settle(self._measured.pop(outcome.trial_id), outcome)
        self._in_flight.discard(outcome.trial_id)
        return outcome

    def _measure(self, trial: Trial) -> None:
        self._pool.submit(trial)
        self._measured[trial.id] = trial
        self._followers.setdefault(_key(trial), deque())

    def _settle(self, trial: Trial, outcome: Outcome) -> None:
        """Gives the followers of a trial its outcome, or, where that may not be repeated, measures the next of them."""
        key = _key(trial)
        self._keep(key, outcome)
        if key in self._known:
            self._ready.extend(_repeated(outcome, follower) for follower in self._followers.pop(key))
        elif self._followers[key]:
            self._measure(self._followers[key].popleft())
        else:
            del self._followers[key]

    def _keep(self, key: _Key, outcome: Outcome) -> None:
        if isinstance(outcome, Success) or outcome.kind == "too_large":
            self._known[key] = outcome

    def __enter__(self) -> Self:
        """Enters the wrapped pool."""
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the wrapped pool and lets go of what waits."""
        self._in_flight.clear()
        self._ready.clear()
        self._measured.clear()
        self._followers.clear()
        self._pool.__exit__(kind, error, trace)


def _key(trial: Trial) -> _Key:
    return trial.architecture.fingerprint, trial.fidelity.fingerprint


def _repeated(outcome: Outcome, trial: Trial) -> Outcome:
    if isinstance(outcome, Failure):
        return replace(outcome, trial_id=trial.id, train_seconds=0.0)
    return replace(outcome, trial_id=trial.id, cached=True, train_seconds=0.0)
