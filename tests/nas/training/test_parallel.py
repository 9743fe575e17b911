"""Two processes against one. The two are started once; that they see the same images is tested in `test_batches`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from nas.models.normalization import BatchNorm
from nas.models.sync_norm import SyncBatchNorm
from nas.training.parallel import (
    Members,
    current_members,
    distribute,
    gather_texts,
    share_buffers,
    sum_over_members,
    synchronize_norms,
)

SCRIPT = Path(__file__).with_name("two_members.py")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes found, and one alone."""
    folder = tmp_path_factory.mktemp("members")
    both = [subprocess.Popen([sys.executable, SCRIPT, folder, str(rank)], cwd=ROOT) for rank in (0, 1)]
    spec = importlib.util.spec_from_file_location("two_members", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with torch.random.fork_rng():
        alone = script.find_all()
    assert [process.wait(timeout=600) for process in both] == [0, 0]
    return [*(load_file(folder / f"{rank}.safetensors") for rank in (0, 1)), alone]


@pytest.mark.parametrize("kind", ["plain", "sync"])
def test_two_workers_have_the_loss_of_one_over_twenty_steps(found, kind):
    # without batch normalization, or with it over both; the mean of their losses is that of the whole batch
    first, second, alone = (each[f"{kind}.losses"] for each in found)
    assert len(alone) == 20
    torch.testing.assert_close((first + second) / 2, alone, atol=1e-4, rtol=0)
    assert not torch.allclose(first, second, atol=1e-3)


@pytest.mark.parametrize("kind", ["plain", "sync", "compiled"])
def test_they_end_with_the_weights_of_one(found, kind):
    for name in ("weights", "running_var"):
        first, second, alone = (each[f"{kind}.{name}"] for each in found)
        assert torch.equal(first, second)
        torch.testing.assert_close(first, alone, atol=1e-4, rtol=1e-4)


def test_the_gradients_of_parts_are_those_of_the_whole_batch(found):
    first, second, alone = found
    assert torch.equal(first["parts.weights"], second["parts.weights"])
    for each in found:
        torch.testing.assert_close(each["parts.weights"], alone["plain.weights"], atol=1e-6, rtol=1e-5)
        assert len(each["parts.losses"]) == 2 * len(each["plain.losses"])


def test_the_result_of_an_epoch_is_that_of_all_images(found):
    first, second, alone = (each["plain.epoch"] for each in found)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, alone, atol=1e-4, rtol=0)


def test_synchronized_normalization_is_that_of_the_large_batch(found):
    first, second, alone = ({k: v for k, v in each.items() if k.startswith("norm.")} for each in found)
    for name in ("norm.output", "norm.images_grad"):
        together = torch.stack([first[name], second[name]], 1).flatten(0, 1)
        torch.testing.assert_close(together, alone[name], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first["norm.weight_grad"] + second["norm.weight_grad"], alone["norm.weight_grad"])
    for name in ("norm.norm_mean", "norm.norm_var"):
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], alone[name])


def test_texts_of_different_lengths_are_gathered_in_order(found):
    assert [bytes(each["texts"].tolist()).decode() for each in found] == ["|Zoë", "|Zoë", ""]


def test_alone_nothing_is_shared():
    network = nn.Sequential(BatchNorm(2))
    assert current_members() == Members(0, 1)
    assert gather_texts("own") == ["own"]
    assert distribute(network, torch.device("cpu"), Members()) is network
    assert sum_over_members(torch.ones(2)).tolist() == [1, 1]
    share_buffers(network)


def test_a_batch_is_shared_out_evenly_or_not_at_all():
    indices = torch.arange(6)
    assert [indices[Members(rank, 3).part].tolist() for rank in range(3)] == [[0, 3], [1, 4], [2, 5]]
    Members(0, 3).check_batch(6)
    with pytest.raises(ValueError, match="batch_size must be divisible by the number of workers, 4, got 6"):
        Members(0, 4).check_batch(6)
    with pytest.raises(ValueError, match="a worker's part of batch_size, 6, must be divisible by accumulate, got 4"):
        Members(0, 2).check_batch(12, 4)


@pytest.mark.parametrize(("everywhere", "kinds"), [(False, [BatchNorm, SyncBatchNorm]), (True, [SyncBatchNorm] * 2)])
def test_torchs_synchronized_norms_are_replaced_and_all_others_when_asked_for(everywhere, kinds):
    network = nn.Sequential(BatchNorm(2), nn.Sequential(nn.SyncBatchNorm(2)))
    synchronize_norms(network, torch.device("cpu"), everywhere=everywhere)
    assert [type(network[0]), type(network[1][0])] == kinds
