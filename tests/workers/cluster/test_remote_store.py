from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
import ray
import torch

from nas.fidelity import NetworkSpec
from workers.cluster.remote_store import open_remote_store

SPEC = NetworkSpec(num_filters=4)
KEY = "a[2]"

pytestmark = pytest.mark.usefixtures("ray_cluster")


def value(store) -> torch.Tensor:
    return store.lend([KEY]).tensors[KEY]


def test_a_store_in_another_process_survives_its_kill_up_to_the_last_checkpoint(tmp_path):
    path = tmp_path / "shared.safetensors"
    with open_remote_store(path, SPEC, checkpoint_trials=2) as store:
        store.take_back({KEY: torch.ones(2)}, {})
        store.take_back({KEY: torch.ones(2)}, {KEY: 1})
        store.take_back({KEY: torch.ones(2)}, {KEY: 2})
        assert torch.equal(value(store), torch.full((2,), 3.0))
        process = ray.get(store._actor.__ray_call__.remote(lambda _store: os.getpid()))
        os.kill(process, signal.SIGKILL)
        assert torch.equal(value(store), torch.full((2,), 2.0))
        receipt = store.take_back({KEY: torch.ones(2)}, {KEY: 3})  # borrowed before the kill
        assert (receipt.num_stale, receipt.num_dropped) == (1, 0)
    with open_remote_store(path, SPEC) as store:
        assert torch.equal(value(store), torch.full((2,), 3.0))
    with (
        pytest.raises(ValueError, match="networks with num_filters 4, not 8"),
        open_remote_store(path, replace(SPEC, num_filters=8)),
    ):
        pass
