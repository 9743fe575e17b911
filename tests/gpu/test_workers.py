"""Trials on a GPU: outcomes, memory that runs out, and the share of a GPU's memory that a worker may use."""

import dataclasses

import pytest
import torch

from nas.decisions import Rollout
from nas.fidelity import Fidelity, NetworkSpec
from nas.recipe import TrainRecipe
from nas.trial import Success, Trial
from search_spaces.published import PUBLISHED
from workers.cluster.resources import WorkerResources
from workers.evaluators.train_and_validate import train_and_validate
from workers.pools.worker import Work, run_trial

pytestmark = pytest.mark.gpu
RECIPE = TrainRecipe(epochs=1, batch_size=16, crop_padding=1, device="cuda", cuda_graph="always")
NETWORK = NetworkSpec(num_classes=2, image_size=16, num_filters=8, num_repeats=1, num_stages=2)


def make_trial(number, **network):
    fidelity = Fidelity(dataclasses.replace(NETWORK, **network), RECIPE)
    return Trial(number, Rollout((), 0.0), PUBLISHED["nasnet-a"], fidelity, seed=0)


@pytest.fixture
def whole_memory():
    """Lifts limits of memory after the test."""
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def outcome(work, trial):
    return list(run_trial(work, trial))[-1]


def test_memory_that_runs_out_is_a_failure_and_the_process_stays_usable(bright_data, whole_memory):
    limited = WorkerResources(gpus=2**29 / torch.cuda.get_device_properties(0).total_memory)  # 512 MiB
    work = Work(evaluate=train_and_validate, arguments={"data": bright_data}, resources=limited)
    assert isinstance(outcome(work, make_trial(0)), Success)  # libraries allocate their workspaces
    before = torch.cuda.memory_allocated()
    failure = outcome(work, make_trial(1, num_filters=512))
    assert failure.kind == "out_of_memory", failure
    assert torch.cuda.memory_allocated() < before + 2**26
    assert isinstance(outcome(work, make_trial(2)), Success)


@pytest.mark.parametrize(("share", "fits"), [(0.2, True), (0.3, False)])
def test_a_quarter_of_a_gpu_is_a_quarter_of_its_memory(whole_memory, share, fits):
    def evaluate(trial):
        total = torch.cuda.get_device_properties(0).total_memory
        torch.empty(int(share * total), dtype=torch.uint8, device="cuda")
        return Success(trial.id, 0.5)

    result = outcome(Work(evaluate=evaluate, resources=WorkerResources(gpus=0.25)), make_trial(1))
    assert isinstance(result, Success) == fits
    assert fits or result.kind == "out_of_memory"
