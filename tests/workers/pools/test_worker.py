import resource
import subprocess
import sys

import numpy as np
import pytest
import torch

from nas.trial import Success
from workers.cluster.resources import WorkerResources
from workers.pools.worker import Work, limited_memory, run_trial


def test_it_tells_when_it_starts_before_it_evaluates(make_trial):
    evaluated = []

    def evaluate(trial, accuracy):
        evaluated.append(trial.id)
        return Success(trial.id, accuracy)

    messages = run_trial(Work(evaluate=evaluate, arguments={"accuracy": 0.5}), make_trial(1))
    assert next(messages) is None
    assert evaluated == []
    assert list(messages) == [Success(1, 0.5)]


def test_an_exception_is_a_failure(make_trial):
    *_, outcome = run_trial(Work(evaluate=lambda trial: 1 / 0), make_trial(1))
    assert outcome.kind == "error"


def test_memory_on_top_of_what_is_held_is_limited_and_then_free_again():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory(2**27):
        assert np.ones(2**20).sum() == 2**20
        with pytest.raises(MemoryError):
            np.ones(2**26)
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            torch.ones(2**27)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert np.ones(2**26).sum() == 2**26


def test_a_limit_of_the_system_is_not_raised():
    code = (
        "import resource; from workers.pools.worker import limited_memory\n"
        "limits = resource.getrlimit(resource.RLIMIT_DATA); resource.setrlimit(resource.RLIMIT_DATA, (2**31, 2**31))\n"
        "with limited_memory(2**40): print(resource.getrlimit(resource.RLIMIT_DATA) == (2**31, 2**31))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout.strip() == "True"


def test_without_a_limit_nothing_is_set(monkeypatch, tmp_path):
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("a limit was set"))
    with limited_memory(None):
        pass
    monkeypatch.setattr("workers.pools.worker._STATUS", tmp_path / "missing")
    with limited_memory(1):
        pass


@pytest.mark.parametrize("has_cuda", [False, True])
def test_a_share_of_a_gpu_bounds_its_memory(make_trial, monkeypatch, has_cuda):
    fractions = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", fractions.append)
    work = Work(evaluate=lambda trial: Success(trial.id, 0.5), resources=WorkerResources(gpus=0.25))
    assert len(list(run_trial(work, make_trial(1)))) == 2
    assert fractions == ([0.25] if has_cuda else [])
