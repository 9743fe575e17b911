"""The store of the weights that the trials of a search share, beside its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from nas.records import LedgerContents
from nas.trial import Success
from workers.evaluators.shared_weights import SharedWeightsSettings


@contextmanager
def open_store(config: SearchConfig, folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Yields the store as an argument of the evaluator, or no argument; it is saved on leaving without an error.

    With Ray, the process must be connected to it. Raises ValueError if the stored weights cannot be used.
    """
    settings = config.evaluator
    if not isinstance(settings, SharedWeightsSettings):
        yield {}
        return
    limits = {"max_staleness": settings.max_staleness, "checkpoint_trials": settings.checkpoint_trials}
    if config.workers.pool == "ray":
        from workers.cluster.remote_store import open_remote_store

        with open_remote_store(folder.shared_weights, config.network, **limits) as remote:
            yield {"store": remote}
        return
    from nas.sharing.store import WeightStore

    store = WeightStore(folder.shared_weights, config.network, **limits)
    yield {"store": store}
    store.save()


def lost_weights(config: SearchConfig, folder: RunFolder, contents: LedgerContents, *, num_images: int) -> str | None:
    """Says that the weights which trials trained are missing, as after a kill before their first checkpoint.

    Raises ValueError if no further trial would train them, for a training split of `num_images`.
    """
    steps = config.fidelity.shared_steps
    outcomes = [record.outcome for record in contents.finished]
    trained = sum(isinstance(outcome, Success) and "num_tensors" in outcome.metrics for outcome in outcomes)
    if not steps or not trained or folder.shared_weights.exists():
        return None
    from nas.sharing.training import SharedPlan

    lost = f"{folder.shared_weights} is missing, with the weights that {trained} trials have trained"
    num_training = min(SharedPlan(config.recipe, steps, 0, 0).num_parts(num_images), config.search.num_trials)
    if len(outcomes) >= num_training:
        raise ValueError(f"{lost}; no trial would train them again: start the search anew in another folder")
    return f"{lost}; further trials start from initial weights"
