"""A pool that evaluates no architecture twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self, TypeAlias

from nas.protocols import Pool
from nas.trial import Outcome, Success, Trial

_Key: TypeAlias = tuple[str, str]


class CachingPool:
    """Wraps a pool: repeats the outcome of an equal trial instead of training again.

    Two trials are equal if the fingerprints of their architectures and of their fidelities are; seeds are not compared.
    A trial equal to one in flight waits for its outcome. Only failures of kind ``too_large`` are repeated, which depend
    on the architecture alone.

    Args:
        pool: the pool that evaluates; entered and left with this pool.
        known: earlier trials with their outcomes, such as a ledger's.

    Example:
        >>> import nas
        >>> with nas.CachingPool(nas.SerialPool(lambda trial: 0.5)) as pool:
        ...     pool.capacity
        1
    """

    def __init__(self, pool: Pool, known: Iterable[tuple[Trial, Outcome]] = ()) -> None:
        self._pool = pool
        self._known: dict[_Key, Outcome] = {}
        self._in_flight: set[int] = set()
        self._ready: deque[Outcome] = deque()
        self._evaluating: dict[int, Trial] = {}
        self._followers: dict[_Key, deque[Trial]] = {}
        for trial, outcome in known:
            self._keep(_key(trial), outcome)

    @property
    def capacity(self) -> int:
        """Capacity of the wrapped pool plus the trials that only wait, at most twice the former.

        Without that maximum, a policy that has converged to one architecture would be asked forever.
        """
        inner = self._pool.capacity
        num_waiting = len(self._ready) + sum(len(trials) for trials in self._followers.values())
        return inner + min(num_waiting, inner)

    def submit(self, trial: Trial) -> None:
        """Submits a trial to the wrapped pool if no equal one is known or in flight."""
        if trial.id in self._in_flight:
            raise ValueError(f"trial {trial.id} is in flight already")
        self._in_flight.add(trial.id)
        key = _key(trial)
        if key in self._known:
            self._ready.append(_repeated(self._known[key], trial))
        elif key in self._followers:
            self._followers[key].append(trial)
        else:
            self._evaluate(trial)

    def next_outcome(self) -> Outcome:
        """Returns a repeated outcome if there is one, else waits for the wrapped pool."""
        if self._ready:
            outcome = self._ready.popleft()
        else:
            outcome = self._pool.next_outcome()
            self._settle(self._evaluating.pop(outcome.trial_id), outcome)
        self._in_flight.discard(outcome.trial_id)
        return outcome

    def _evaluate(self, trial: Trial) -> None:
        self._pool.submit(trial)
        self._evaluating[trial.id] = trial
        self._followers.setdefault(_key(trial), deque())

    def _settle(self, trial: Trial, outcome: Outcome) -> None:
        """Gives a trial's outcome to the trials that wait for it, or evaluates the next of them if it was a failure."""
        key = _key(trial)
        self._keep(key, outcome)
        if key in self._known:
            self._ready.extend(_repeated(outcome, follower) for follower in self._followers.pop(key))
        elif self._followers[key]:
            self._evaluate(self._followers[key].popleft())
        else:
            del self._followers[key]

    def _keep(self, key: _Key, outcome: Outcome) -> None:
        if isinstance(outcome, Success) or outcome.kind == "too_large":
            self._known[key] = outcome

    def __enter__(self) -> Self:
        """Enters the wrapped pool."""
        self._pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 - passed on
        """Leaves the wrapped pool and drops waiting trials."""
        for waiting in (self._in_flight, self._ready, self._evaluating, self._followers):
            waiting.clear()
        self._pool.__exit__(*error)


def _key(trial: Trial) -> _Key:
    return trial.architecture.fingerprint, trial.fidelity.fingerprint


def _repeated(outcome: Outcome, trial: Trial) -> Outcome:
    repeated = replace(outcome, trial_id=trial.id, train_seconds=0.0)
    return replace(repeated, cached=True) if isinstance(repeated, Success) else repeated
