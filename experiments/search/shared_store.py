"""The store of the weights that the trials of a search share, beside its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
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
