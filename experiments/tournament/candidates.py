"""Candidates of a tournament: the best trials of a search, and random ones as a control group."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config.named import stored_reward
from experiments.config.training_config import TournamentSettings
from experiments.runs.run_folder import RunFolder
from experiments.tournament.analysis import Entrant
from nas.ledger.writer import read_ledger
from nas.models.reference.descriptions import Buildable, description_from_json
from nas.trial import Success


def choose_candidates(settings: TournamentSettings) -> list[tuple[Entrant, Buildable]]:
    """Returns the best trials of a run by reward, and random ones of the rest; each architecture once.

    After a search with shared weights, these are its final draws.

    Raises:
        ValueError: If the folder holds no run, or the run has too few different successful architectures.
        OSError: If it cannot be read.
    """
    run, top, random = Path(settings.run), settings.top, settings.random
    folder = RunFolder(run)
    reward = stored_reward(folder.search_document())
    contents = read_ledger(folder.ranking)
    records = contents.best(len(contents.finished), reward)
    if len(records) < top + random:
        raise ValueError(
            f"{run} must have {top + random} different successful architectures for --top {top} --random {random}, "
            f"got {len(records)}"
        )
    drawn = np.random.default_rng(settings.seed).choice(len(records) - top, random, replace=False)
    found = []
    for place in [*range(top), *(top + np.sort(drawn)).tolist()]:
        trial, outcome = records[place].trial, records[place].outcome
        if isinstance(outcome, Success) and isinstance(trial.architecture, Buildable):
            candidate = Entrant(f"trial-{trial.id}", trial.id, place < top, reward(outcome))
            found.append((candidate, trial.architecture))
    return found


def candidate_to_json(candidate: Entrant, architecture: Buildable) -> dict[str, Any]:
    """Returns plain data for JSON."""
    return {**asdict(candidate), "architecture": architecture.to_json()}


def candidate_from_json(value: Any) -> tuple[Entrant, Buildable]:  # noqa: ANN401 - whatever JSON holds
    """Parses the output of `candidate_to_json`; raises ValueError if it is not valid."""
    kinds = {"name": str, "trial": int, "chosen": bool, "proxy": int | float, "architecture": dict}
    if not isinstance(value, dict) or not all(isinstance(value.get(name), kind) for name, kind in kinds.items()):
        raise ValueError(f"a candidate must be an object with {', '.join(kinds)}, got {value!r:.100}")
    architecture = description_from_json(value["architecture"])
    return Entrant(value["name"], value["trial"], value["chosen"], value["proxy"]), architecture
