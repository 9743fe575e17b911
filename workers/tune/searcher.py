"""A controller as a search algorithm of Ray Tune, for a `tune.Tuner` with any scheduler, logger or stopper."""

from __future__ import annotations

import copy
import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ray.tune.search import Searcher

from nas.decisions import Rollout, check_decisions
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json
from nas.plain import describe
from nas.protocols import Controller, SearchSpace
from nas.search import trial_seed

CONFIG_KEYS = ("trial_id", "seed", "decisions", "architecture")
"""Keys added to the config of each trial, beside those of the Tuner's ``param_space``."""

_LOGGER = logging.getLogger(__name__)
_VERSION = 1


@dataclass(slots=True)
class _Open:
    """A trial that is running, or failed and may be restarted."""

    rollout: Rollout
    tune_id: str
    score: float | None = None  # the last reported value of the metric, if it was finite


class TuneSearcher(Searcher):
    """Suggests the rollouts of a controller to Tune, and tells the controller the results of Tune's trials.

    A trial's config is plain data: ``trial_id`` (from 0), ``seed``, ``decisions`` and ``architecture``, the JSON of the
    decoded decisions (see `nas.architecture.Architecture.from_json`).

    The controller is told the last reported value of the metric when a trial ends, also if a scheduler such as ASHA
    stopped it early. A trial that raises, or whose last value is missing or not finite, is a failure.

    Tune saves the tells as JSON. ``Tuner.restore`` replays them on a copy of the new controller, so that the policy is
    the same. Unfinished trials are told after Tune has run them again.

    Args:
        space: Decodes decisions into architectures.
        controller: A new controller; it is copied and not modified.
        metric: Name of the reported value, with slashes if nested.
        mode: Whether to maximize (``max``) or minimize (``min``) the metric.
        seed: Determines the seed of each trial.
        failure_reward: Reward of a failure, higher is better also if mode is ``min``; None ignores failures.
    """

    CKPT_FILE_TMPL = "nas-searcher-{}.json"

    def __init__(
        self,
        space: SearchSpace,
        controller: Controller,
        *,
        metric: str,
        mode: Literal["max", "min"] = "max",
        seed: int = 0,
        failure_reward: float | None = None,
    ) -> None:
        if not isinstance(metric, str) or not metric:
            raise ValueError(f"metric must be the name of a reported value, got {metric!r:.100}")
        if mode not in ("max", "min"):
            raise ValueError(f"mode must be max or min, got {mode!r:.100}")
        if type(seed) is not int or seed < 0:
            raise ValueError(f"seed must be a whole number from 0, got {seed!r:.100}")
        if failure_reward is not None and not math.isfinite(failure_reward):
            raise ValueError(f"failure_reward must be a finite number or None, got {failure_reward}")
        super().__init__(metric=metric, mode=mode)
        self._space = space
        self._fresh = copy.deepcopy(controller)
        self._seed = seed
        self._failure_reward = failure_reward
        self._reset()

    def _reset(self) -> None:
        self._controller = copy.deepcopy(self._fresh)
        self._num_asked = 0
        self._told: list[tuple[Rollout, float]] = []
        self._open: dict[int, _Open] = {}

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **_spec: object
    ) -> bool:
        """Checks that the Tuner matches this searcher; False, as a ``param_space`` may hold no search space itself.

        Raises:
            ValueError: If metric or mode differ, or the param_space sets a key of the searcher.
        """
        for name, came, own in (("metric", metric, self.metric), ("mode", mode, self.mode)):
            if came is not None and came != own:
                raise ValueError(f"the {name} of the TuneConfig must be that of the searcher, {own!r}, got {came!r}")
        if clash := [key for key in CONFIG_KEYS if key in config]:
            raise ValueError(f"param_space must leave {', '.join(CONFIG_KEYS)} to the searcher, got {', '.join(clash)}")
        return False

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Asks the controller for the next trial, `trial_id` for Tune, and returns its config.

        Raises:
            ValueError: If the space does not contain the rollout of the controller.
        """
        number = self._num_asked
        pending = [trial.rollout for _, trial in sorted(self._open.items())]
        (rollout,) = self._controller.ask([number], pending)
        architecture = describe(self._space.decode(rollout.decisions))
        self._num_asked += 1
        self._open[number] = _Open(rollout, trial_id)
        values = number, trial_seed(self._seed, number), list(rollout.decisions), architecture.to_json()
        return dict(zip(CONFIG_KEYS, values, strict=True))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Stores the last reported metric of a running trial."""
        trial = self._open.get(self._number(trial_id, result))
        if trial is not None and self.metric in result:
            trial.score = _finite(result[self.metric])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the controller the result of a trial that ended, with its last report and whether it raised."""
        self.on_trial_result(trial_id, result or {})
        number = self._number(trial_id, result or {})
        trial = self._open.get(number)
        if trial is None:
            _LOGGER.warning("ignoring trial %s: it is unknown to this search or has ended before", trial_id)
        elif not error and trial.score is not None:
            del self._open[number]
            self._tell(trial.rollout, trial.score if self.mode == "max" else -trial.score)
        else:
            trial.score = None
            if self._failure_reward is not None:
                self._tell(trial.rollout, self._failure_reward)

    def save(self, checkpoint_path: str) -> None:
        """Writes the state as JSON."""
        state = {
            "version": _VERSION,
            "problem": self._problem(),
            "num_asked": self._num_asked,
            "told": [{"rollout": rollout.to_json(), "reward": reward} for rollout, reward in self._told],
            "open": [
                {"number": number, "rollout": trial.rollout.to_json(), "tune_id": trial.tune_id, "score": trial.score}
                for number, trial in self._open.items()
            ],
        }
        write_text(Path(checkpoint_path), json.dumps(state, allow_nan=False))

    def restore(self, checkpoint_path: str) -> None:
        """Restores the state from a file written by `save`.

        Raises:
            ValueError: If the file is not valid or of another space, metric, mode or seed.
            OSError: If it cannot be read.
        """
        path = Path(checkpoint_path)
        try:
            state = read_json(path)
            self._check(state)
            told = [(self._rollout(each), _number(each, "reward")) for each in state["told"]]
            opened = {_whole(each, "number"): self._read_open(each) for each in state["open"]}
            num_asked = _whole(state, "num_asked")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not the state of this search: {error!s:.300}") from None
        self._reset()
        self._num_asked, self._open = num_asked, opened
        for rollout, reward in told:
            self._tell(rollout, reward)

    def _tell(self, rollout: Rollout, reward: float) -> None:
        self._controller.tell(rollout, reward)
        self._told.append((rollout, reward))

    def _number(self, trial_id: str, result: dict[str, Any]) -> int:
        """Returns the number of a trial, or -1; Tune renames restarted trials, but reports contain the config."""
        for number, trial in self._open.items():
            if trial.tune_id == trial_id:
                return number
        number = result.get("config/trial_id", -1)
        return number if type(number) is int else -1

    def _problem(self) -> dict[str, Any]:
        choices = [[choice.name, choice.num_options] for choice in self._space.choices]
        return {"choices": choices, "metric": self.metric, "mode": self.mode, "seed": self._seed}

    def _check(self, state: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        if not isinstance(state, dict) or state.get("version") != _VERSION:
            raise ValueError(f"it must be an object of version {_VERSION}")
        own, came = self._problem(), state["problem"]
        if different := [name for name in own if came[name] != own[name]]:
            raise ValueError(f"it has another {' and another '.join(different)}")

    def _read_open(self, value: dict[str, Any]) -> _Open:
        score = None if value["score"] is None else _number(value, "score")
        return _Open(self._rollout(value), str(value["tune_id"]), score)

    def _rollout(self, value: dict[str, Any]) -> Rollout:
        rollout = Rollout.from_json(value["rollout"])
        check_decisions(rollout.decisions, self._space.choices)
        return rollout


def _finite(value: Any) -> float | None:  # noqa: ANN401 - whatever a trial reports
    """Returns the value as a float if it is a finite number, else None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _number(value: dict[str, Any], name: str) -> float:
    number = value[name]
    if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= 1e300:
        raise ValueError(f"{name} must be a finite number, got {number!r:.100}")
    return float(number)


def _whole(value: dict[str, Any], name: str) -> int:
    number = value[name]
    if type(number) is not int or number < 0:
        raise ValueError(f"{name} must be a whole number from 0, got {number!r:.100}")
    return number
