from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.ray_cluster import connect


def pytest_itemcollected(item):
    """Tests on the cluster stay in one process, so that several processes do not start a Ray each."""
    if "ray_cluster" in item.fixturenames or item.get_closest_marker("ray"):
        item.add_marker("ray")
        item.add_marker(pytest.mark.xdist_group("ray"))


@pytest.fixture(scope="session")
def ray_cluster():
    """The one Ray of the test session: 2 CPUs, 2 logical GPUs, servers on loopback, no dashboard."""
    with connect(num_cpus=2, num_gpus=2):
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, from NAS_DATA or beside the project."""
    folder = Path(os.environ.get("NAS_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if folder.is_dir():
        return folder
    reason = f"there is no folder of real data at {folder}; NAS_DATA names another"
    if os.environ.get("NAS_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
