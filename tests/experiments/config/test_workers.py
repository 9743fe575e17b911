from __future__ import annotations

import pytest

from experiments.config.parsing.sections import validate_section
from experiments.config.workers import SearchWorkers, StudyWorkers, TrainingWorkers
from workers.cluster.resources import WorkerResources
from workers.jobs.data_parallel import ParallelWorkers


def test_worker_settings_become_each():
    settings = SearchWorkers(num_workers=3, cpus=0.5, gpus=0.25, resources={"tpu": 1}, memory_gib=2, max_retries=1)
    resources = settings.each()
    assert (resources.cpus, resources.gpus, resources.max_workers, resources.max_retries) == (0.5, 0.25, 3, 1)
    assert dict(resources.custom) == {"tpu": 1}
    assert resources.memory_gib == 2


def test_a_connection_names_what_the_nodes_need():
    settings = validate_section(
        "workers",
        {"runtime_env": {"env_vars": {"NAS_CACHE": "/fast"}, "pip": ["timm"]}, "min_workers": 8},
        SearchWorkers,
    )
    assert settings.connection() == {
        "address": None,
        "num_cpus": None,
        "dashboard": False,
        "runtime_env": {"env_vars": {"NAS_CACHE": "/fast"}, "pip": ["timm"]},
    }
    assert settings.each().min_workers == 8
    assert SearchWorkers(address="auto").connection()["runtime_env"] == {}


def test_a_ray_started_here_has_room_for_the_workers_asked_for():
    assert SearchWorkers(num_workers=4, cpus=1.5).connection()["num_cpus"] == 6
    assert SearchWorkers(num_workers=3, cpus=0, gpus=1).connection()["num_cpus"] == 1
    assert SearchWorkers().connection()["num_cpus"] is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"gpus": 1.5}, "workers: gpus must be a fraction below 1 or a whole number, got 1.5"),
        ({"cpus": 0}, "workers: a worker must request cpus, gpus or a custom resource"),
        ({"pool": "dask"}, "workers.pool: .*got 'dask'"),
        ({"num_workers": 0}, "workers.num_workers: .*got 0"),
        ({"resources": {"tpu": -1}}, "workers.resources.tpu: .*got -1"),
        ({"resources": [1]}, "workers.resources: "),
        ({"time_limit_seconds": 0}, "workers.time_limit_seconds: .*got 0"),
        ({"min_workers": 3, "num_workers": 2}, "max_workers must be at least min_workers 3, got 2"),
        ({"runtime_env": {"env_vars": {"A": 1}}}, "workers.runtime_env.env_vars.A: Input should be a valid string$"),
        ({"runtime_env": {"conda": "x"}}, "workers.runtime_env.conda: "),
        ({"pool": "serial", "time_limit_seconds": 5}, "pool serial cannot limit time or memory"),
    ],
)
def test_impossible_workers_are_refused(section, message):
    with pytest.raises(ValueError, match=message) as caught:
        validate_section("workers", section, SearchWorkers)
    assert "\n" not in str(caught.value)


def test_the_workers_of_a_training_share_it():
    assert TrainingWorkers().is_local
    assert not TrainingWorkers(address="auto").is_local
    workers = TrainingWorkers(num_workers=2, address="auto", cpus=0.5, gpus=0)
    assert workers.parallel() == ParallelWorkers(2, WorkerResources(cpus=0.5, gpus=0), "auto")
    workers.check_batch(4)
    with pytest.raises(ValueError, match=r"recipe\.batch_size must be divisible by the number of workers, 2, got 3"):
        workers.check_batch(3)
    workers.check_batch(12, 3)
    with pytest.raises(ValueError, match=r"must divide a worker's part of recipe\.batch_size, 6, got 4"):
        workers.check_batch(12, 4)


@pytest.mark.parametrize("available", [True, False])
def test_trainings_use_gpus_where_there_are_some(monkeypatch, available):
    monkeypatch.setattr("torch.cuda.is_available", lambda: available)
    assert TrainingWorkers(num_workers=2).parallel().use_gpu is available
    assert not TrainingWorkers(num_workers=2, gpus=0).parallel().use_gpu
    assert StudyWorkers().each().gpus == int(available)


def test_each_training_of_a_study_has_a_worker(monkeypatch):
    each = StudyWorkers(num_workers=4, cpus=2, gpus=1, max_retries=1).each()
    assert each == WorkerResources(
        cpus=2, gpus=1, max_retries=1, max_workers=4, recycle_after=1
    )  # Ray keeps GPU workers
    assert StudyWorkers(gpus=0).each().recycle_after == 0


@pytest.mark.parametrize("kind", [TrainingWorkers, StudyWorkers])
@pytest.mark.parametrize("section", [{"num_workers": 0}, {"cpus": 0}, {"gpus": 2}, {"address": 3}, {"num_worker": 1}])
def test_impossible_workers_of_trainings_are_refused(kind, section):
    with pytest.raises(ValueError, match=rf"workers\.{next(iter(section))}: |did you mean num_workers"):
        validate_section("workers", section, kind)
