from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.fidelity import NetworkSpec
from nas.sharing.store import WeightStore
from nas.training.state import TrainingState, read_state, write_state

SPEC = NetworkSpec(num_filters=4)
A, B = "a[2]", "b[1x2]"


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def store(path=None, **settings) -> WeightStore:
    return WeightStore(path, SPEC, **settings)


def test_a_store_is_filled_by_what_is_used():
    shared = store()
    loan = shared.lend([A, B])
    assert (dict(loan.tensors), len(shared)) == ({}, 0)
    receipt = shared.take_back({A: tensor(1, 2)}, loan.versions)
    assert (receipt.num_tensors, receipt.num_bytes, receipt.num_stale) == (1, 8, 0)
    assert torch.equal(shared.lend([A, B]).tensors[A], tensor(1, 2))
    assert shared.lend([A]).versions == {A: 1}


def test_changes_of_two_trials_at_a_time_are_added_and_counted():
    shared = store()
    shared.take_back({A: tensor(1, 2)}, {})
    one, other = shared.lend([A]), shared.lend([A])
    assert shared.take_back({A: tensor(1, 0)}, one.versions).num_stale == 0
    receipt = shared.take_back({A: tensor(0, 5)}, other.versions)
    assert (receipt.num_stale, receipt.num_dropped, receipt.staleness) == (1, 0, 1)
    assert torch.equal(shared.lend([A]).tensors[A], tensor(2, 7))
    assert torch.equal(one.tensors[A], tensor(1, 2))  # a loan does not change


def test_a_change_that_is_too_stale_is_dropped():
    shared = store(max_staleness=1)
    shared.take_back({A: tensor(0, 0)}, {})
    late = shared.lend([A])
    for _ in range(2):
        shared.take_back({A: tensor(1, 1)}, shared.lend([A]).versions)
    receipt = shared.take_back({A: tensor(9, 9), B: tensor(3, 3)}, late.versions)
    assert (receipt.num_stale, receipt.num_dropped, receipt.staleness) == (1, 1, 2)
    assert torch.equal(shared.lend([A]).tensors[A], tensor(2, 2))
    assert torch.equal(shared.lend([B]).tensors[B], tensor(3, 3))


def test_of_two_trials_that_make_the_same_tensor_the_first_one_wins():
    """The other one has changed another initial value, to which its change cannot be added."""
    shared = store()
    shared.take_back({A: tensor(1, 1)}, {})
    assert shared.take_back({A: tensor(5, 5)}, {}).num_dropped == 1
    assert torch.equal(shared.lend([A]).tensors[A], tensor(1, 1))


def test_a_checkpoint_is_written_every_so_often(tmp_path):
    path = tmp_path / "shared.safetensors"
    shared = store(path, checkpoint_trials=2)
    shared.take_back({A: tensor(1, 1)}, {})
    assert not path.exists()
    shared.take_back({A: tensor(1, 1)}, {A: 1})
    shared.take_back({A: tensor(1, 1)}, {A: 2})  # is lost by a kill
    again = store(path)
    assert torch.equal(again.lend([A]).tensors[A], tensor(2, 2))
    assert again.lend([A]).versions == {A: 2}
    receipt = again.take_back({A: tensor(1, 1)}, {A: 3})  # borrowed before the kill
    assert (receipt.num_stale, receipt.num_dropped) == (1, 0)
    shared.save()
    assert torch.equal(store(path).lend([A]).tensors[A], tensor(3, 3))


@pytest.mark.parametrize("setting", ["num_filters", "num_repeats"])
def test_a_checkpoint_of_other_networks_is_refused(tmp_path, setting):
    path = tmp_path / "shared.safetensors"
    shared = store(path, checkpoint_trials=1)
    shared.take_back({A: tensor(1, 1)}, {})
    former = getattr(SPEC, setting)
    with pytest.raises(ValueError, match=f"shared weights of networks with {setting} {former}, not {2 * former}"):
        WeightStore(path, replace(SPEC, **{setting: 2 * former}))
    assert len(WeightStore(path, replace(SPEC, drop_path=0.3))) == 1


@pytest.mark.parametrize(
    ("tensors", "values", "message"),
    [
        ({"a[2]": torch.zeros(2)}, {}, "must hold shared weights, with their network and versions"),
        ({"a[2]": torch.zeros(2)}, {"versions": {}}, "must hold shared weights, with their network and versions"),
        ({"a[3]": torch.zeros(2)}, {"versions": {"a[3]": 1}}, r"named by their shapes, got 'a\[3\]' of 2"),
        ({"a[2]": torch.zeros(2)}, {"versions": {"a[2]": "1"}}, "must hold float32 tensors"),
        ({"a[2]": torch.zeros(2).double()}, {"versions": {"a[2]": 1}}, "must hold float32 tensors"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, tensors, values, message):
    path = tmp_path / "shared.safetensors"
    shared = store(path, checkpoint_trials=1)
    shared.take_back({B: torch.zeros(1, 2)}, {})
    network = {} if not values else {"network": _network(path)}
    write_state(path, TrainingState(tensors, {**network, **values}))
    with pytest.raises(ValueError, match=message) as caught:
        store(path)
    assert "\n" not in str(caught.value)


def _network(path):
    return read_state(path).values["network"]
