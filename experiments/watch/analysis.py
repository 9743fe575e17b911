"""What the page shows that needs torch: statistics of `nas compare`, costs by stage, the replayed controller.

A server runs it in a process of its own, which answers one JSON request a line, so that the server stays small.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from nas.records import LedgerContents

NUM_POINTS = 40
"""Preferences are recorded at most this often along a replay, and at its end."""
MAX_SECONDS = 60.0
"""A replay that takes longer ends early, and says so."""


def comparison(runs: Sequence[str]) -> dict[str, Any]:
    """Statistics of `nas compare`, forced where the runs are not comparable; without curves, which the page draws."""
    from experiments.comparison.run import analyze_runs

    value = analyze_runs([Path(run) for run in runs], force=True).to_json()
    for strategy in value["strategies"]:
        strategy.pop("curves", None)
        for run in strategy["runs"]:
            run.pop("accuracy", None)
            run.pop("seconds", None)
    return {key: value[key] for key in ("measure", "strategies", "tests", "verdict", "notes")}


def stages(architecture: Any, network: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    """Cost of an architecture in its network by stage; ValueError if it cannot be built."""
    from experiments.config.parsing.sections import validate_section
    from nas.fidelity import NetworkSpec
    from nas.models.complexity import measure
    from nas.models.reference.descriptions import description_from_json

    spec = validate_section("network", network, NetworkSpec)
    return [asdict(stage) for stage in measure(description_from_json(architecture), spec).stages]


def preferences(run: str, *, max_seconds: float = MAX_SECONDS) -> dict[str, Any] | None:
    """Replays the tells of a run; returns the probability of each option over time, None if it learns no policy.

    The result has the number of told trials at each point, and for each choice its name, kind, labels of options and a
    list of probabilities at each point. `until` is the last trial told if the replay has ended early, else None.
    """
    from experiments.config.search_config import SPACES, SearchConfig
    from experiments.runs.run_folder import RunFolder
    from nas.ledger.writer import read_ledger

    folder = RunFolder(Path(run))
    config = SearchConfig.parse(folder.document(), source=run)
    contents = read_ledger(folder.ledger, SPACES[config.space_name].parse)
    controller = config.build_controller()
    if not hasattr(_policy_of(controller), "preferences"):
        return None
    observed = _Observed(controller, len(contents.finished), time.monotonic() + max_seconds)
    _replay(config, observed, contents)
    points = observed.points
    return {
        "told": [told for told, _ in points],
        "until": points[-1][0] if observed.ended_early else None,
        "choices": [
            {
                "name": choice.name,
                "kind": choice.kind,
                "labels": _labels(config.space, choice.kind, choice.num_options),
                "points": [[round(each, 4) for each in found[place]] for _, found in points],
            }
            for place, choice in enumerate(config.space.choices)
        ],
    }


def _policy_of(controller: Any) -> Any:  # noqa: ANN401 - any controller
    """The controller within a wrapper."""
    return getattr(controller, "controller", controller)


class _Observed:
    """A controller that records its preferences as it is told rewards."""

    def __init__(self, controller: Any, num_trials: int, deadline: float) -> None:  # noqa: ANN401 - any with preferences
        self._controller, self._deadline = controller, deadline
        self._every = max(1, -(-num_trials // NUM_POINTS))
        self._num_told = 0
        self.ended_early = False
        self.points: list[tuple[int, list[list[float]]]] = []
        self._record()

    def ask(self, _trial_ids: Sequence[int], _pending: Sequence[Any] = ()) -> list[Any]:
        raise AssertionError("a replay asks for nothing")

    def tell(self, rollout: Any, reward: float) -> None:  # noqa: ANN401 - as a controller
        self._controller.tell(rollout, reward)
        self._count()

    def tell_values(self, trial_id: int, rollout: Any, values: Sequence[float]) -> None:  # noqa: ANN401 - as above
        self._controller.tell_values(trial_id, rollout, values)
        self._count()

    def _count(self) -> None:
        self._num_told += 1
        if self._num_told % self._every == 0:
            self._record()
        if time.monotonic() > self._deadline:
            self.ended_early = True
            raise TimeoutError

    def _record(self) -> None:
        self.points.append((self._num_told, _policy_of(self._controller).preferences()))


def _replay(config: Any, observed: _Observed, contents: LedgerContents) -> None:  # noqa: ANN401 - a SearchConfig
    """Tells the finished trials in the order of the search."""
    from experiments.search.run import search_plan
    from nas.search import tell_earlier

    with suppress(TimeoutError):
        tell_earlier(observed, search_plan(config), contents)


def _labels(space: Any, kind: str, num_options: int) -> list[str]:  # noqa: ANN401 - any search space
    """Names of the options of a kind, which a space has as ``ops``, ``norms``, ...; numbers where it has none."""
    names = getattr(space, f"{kind}s", getattr(space, kind, None))
    if not isinstance(names, tuple) or len(names) < num_options:
        names = tuple(range(num_options))
    return [str(each) for each in names[:num_options]]


ANSWERS: Mapping[str, Callable[..., Any]] = {"comparison": comparison, "stages": stages, "preferences": preferences}


def answer(request: str) -> dict[str, Any]:
    """Answers a request, an object with ``kind`` and the arguments of that function: ``result``, or ``error``."""
    try:
        arguments = json.loads(request)
        return {"result": ANSWERS[arguments.pop("kind")](**arguments)}
    except (ValueError, OSError, RuntimeError) as error:
        return {"error": str(error)}


def main(requests: TextIO = sys.stdin, answers: TextIO = sys.stdout) -> None:
    """Answers requests, one a line, until there are no more; with the lowest priority, in one thread."""
    import torch

    os.nice(19)
    torch.set_num_threads(1)
    for line in requests:
        print(json.dumps(answer(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
