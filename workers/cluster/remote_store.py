"""Shared weights on a Ray cluster: an actor on the driver's node holds the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from torch import Tensor

from nas.fidelity import NetworkSpec
from nas.sharing.store import Loan, Receipt, WeightStore


class RemoteStore:
    """A `WeightStore` in another process, which all workers use.

    If that process is lost, Ray starts it again from its last checkpoint, and calls in progress are repeated: at most
    the steps since then are lost.
    """

    def __init__(self, actor: Any) -> None:  # noqa: ANN401 - Ray's handles have no types
        self._actor = actor

    def lend(self, keys: Sequence[str]) -> Loan:
        """See `WeightStore.lend`."""
        return cast("Loan", ray.get(self._actor.lend.remote(keys)))

    def take_back(self, changes: Mapping[str, Tensor], versions: Mapping[str, int]) -> Receipt:
        """See `WeightStore.take_back`."""
        return cast("Receipt", ray.get(self._actor.take_back.remote(changes, versions)))

    def save(self) -> None:
        """See `WeightStore.save`."""
        ray.get(self._actor.save.remote())


@contextmanager
def open_remote_store(path: Path, network: NetworkSpec, **settings: int) -> Iterator[RemoteStore]:
    """Starts a store and ends it; ValueError if its checkpoint cannot be used.

    Args:
        path: the checkpoint, on this node.
        network: see `WeightStore`.
        settings: likewise.
    """
    WeightStore(path, network, **settings)  # a checkpoint that cannot be read is refused here, in one line
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    actor = ray.remote(**options)(WeightStore).remote(path.resolve(), network, **settings)  # type: ignore[call-overload]
    store = RemoteStore(actor)
    try:
        yield store
        store.save()
    finally:
        ray.kill(actor)
