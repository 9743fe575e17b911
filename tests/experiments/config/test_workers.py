from __future__ import annotations

import pytest

from experiments.config.search_settings import TrackerSettings, WorkerSettings
from experiments.config.sections import validate_section


def test_worker_settings_become_ray_resources():
    settings = WorkerSettings(num_workers=3, cpus=0.5, gpus=0.25, resources={"tpu": 1}, memory_gib=2, max_retries=1)
    resources = settings.ray_resources()
    assert (resources.cpus, resources.gpus, resources.max_workers, resources.max_retries) == (0.5, 0.25, 3, 1)
    assert dict(resources.custom) == {"tpu": 1}
    assert resources.memory_gib == 2


def test_a_connection_names_what_the_nodes_need():
    settings = validate_section(
        "workers",
        {"runtime_env": {"env_vars": {"NAS_CACHE": "/fast"}, "pip": ["timm"]}, "min_workers": 8},
        WorkerSettings,
    )
    assert settings.connection() == {
        "address": None,
        "num_cpus": None,
        "dashboard": False,
        "runtime_env": {"env_vars": {"NAS_CACHE": "/fast"}, "pip": ["timm"]},
    }
    assert settings.ray_resources().min_workers == 8
    assert WorkerSettings(address="auto").connection()["runtime_env"] == {}
    assert TrackerSettings() == TrackerSettings(tensorboard=False, mlflow=False)


def test_a_ray_started_here_has_room_for_the_workers_asked_for():
    assert WorkerSettings(num_workers=4, cpus=1.5).local_cpus == 6
    assert WorkerSettings(num_workers=3, cpus=0, gpus=1).local_cpus == 1
    assert WorkerSettings().local_cpus is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"gpus": 1.5}, "workers: gpus must be a fraction below 1 or a whole number, got 1.5"),
        ({"cpus": 0}, "workers: a child must ask for"),
        ({"pool": "dask"}, "workers.pool: .*got 'dask'"),
        ({"num_workers": 0}, "workers.num_workers: .*got 0"),
        ({"resources": {"tpu": -1}}, "workers.resources.tpu: .*got -1"),
        ({"resources": [1]}, "workers.resources: "),
        ({"time_limit_seconds": 0}, "workers.time_limit_seconds: .*got 0"),
        ({"min_workers": 3, "num_workers": 2}, "max_workers must be at least min_workers 3, got 2"),
        ({"runtime_env": {"env_vars": {"A": 1}}}, "workers.runtime_env.env_vars.A: .*got 1"),
        ({"runtime_env": {"conda": "x"}}, "workers.runtime_env.conda: "),
        ({"pool": "serial", "time_limit_seconds": 5}, "pool serial cannot limit time or memory"),
    ],
)
def test_impossible_workers_are_refused(section, message):
    with pytest.raises(ValueError, match=message) as caught:
        validate_section("workers", section, WorkerSettings)
    assert "\n" not in str(caught.value)
