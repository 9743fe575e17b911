import pytest
from pydantic import ValidationError

from workers.cluster.resources import WorkerResources


def node(alive=True, **resources):
    return {"Alive": alive, "Resources": {"node:127.0.0.1": 1.0, "object_store_memory": 1e9, **resources}}


@pytest.mark.parametrize(
    ("resources", "nodes", "expected"),
    [
        ({}, [], 0),
        ({}, [node(CPU=2.0)], 2),
        ({}, [node(CPU=2.0), node(CPU=4.0), node(alive=False, CPU=8.0)], 6),
        ({}, [node(GPU=8.0)], 0),
        ({"cpus": 2}, [node(CPU=3.0), node(CPU=3.0)], 2),
        ({"cpus": 0.1}, [node(CPU=0.3)], 3),
        ({"gpus": 0.25}, [node(CPU=64.0, GPU=2.0)], 8),
        ({"gpus": 0.25, "cpus": 1}, [node(CPU=3.0, GPU=2.0)], 3),
        ({"gpus": 0.4}, [node(CPU=64.0, GPU=2.0)], 4),
        ({"gpus": 1 / 3}, [node(CPU=64.0, GPU=1.0)], 3),
        ({"gpus": 2}, [node(CPU=64.0, GPU=3.0)], 1),
        ({"cpus": 0, "custom": {"tpu": 4}}, [node(CPU=64.0, tpu=8.0), node(CPU=64.0)], 2),
        ({"memory_gib": 2}, [node(CPU=64.0, memory=5.0 * 2**30)], 2),
    ],
)
def test_workers_are_counted_as_ray_places_them(resources, nodes, expected):
    assert WorkerResources(**resources).count_workers(nodes) == expected


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"gpus": 1.5}, "a fraction below 1 or a whole number, got 1.5"),
        ({"cpus": 0}, "must request cpus, gpus or a custom resource"),
        ({"min_workers": 4, "max_workers": 3}, "max_workers must be at least min_workers 4, got 3"),
        ({"cpus": -1}, "greater than or equal to 0"),
        ({"memory_gib": 0}, "greater than 0"),
        ({"time_limit_seconds": float("nan")}, "finite number"),
        ({"custom": {"tpu": -1}}, "greater than 0"),
        ({"memory_gib": 1e300}, "less than or equal to"),
        ({"custom": {"CPU": 1}}, "must not be empty or CPU, GPU, memory, object_store_memory, got 'CPU'"),
        ({"custom": {"tpu": 1e-5}}, "tpu must be 0 or at least 0.0001"),
        ({"cpus": 1e-5}, "cpus must be 0 or at least 0.0001, the unit in which Ray counts, got 1e-05"),
        ({"cpu": 1}, "cpu"),
    ],
)
def test_what_ray_would_refuse_or_misread_is_refused(resources, message):
    with pytest.raises(ValidationError, match=message):
        WorkerResources(**resources)


def test_options_and_limits_follow():
    resources = WorkerResources(cpus=2, gpus=0.5, memory_gib=1.5, custom={"tpu": 1}, recycle_after=7)
    assert resources.ray_options() == {
        "num_cpus": 2.0,
        "num_gpus": 0.5,
        "memory": 3 * 2**29,
        "resources": {"tpu": 1.0},
        "max_retries": 0,
        "max_calls": 7,
        "num_returns": "streaming",
    }
    assert resources.memory_bytes == 3 * 2**29
    assert WorkerResources(gpus=1).memory_bytes is None
