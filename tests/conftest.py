from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.ray_cluster import connect
from workers.signals import kept_signals


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With several processes, one of them gets all files that use Ray, so that Ray is started once."""
    from xdist.scheduler import LoadFileScheduling

    class OneRay(LoadFileScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::", 1)[0]
            text = Path(config.rootpath, path).read_text()
            return "ray" if "ray_cluster" in text or "pytest.mark.ray" in text else path

    return OneRay(config, log)


@pytest.fixture(autouse=True)
def _signals():
    """Ray Tune leaves a handler of its own behind, which would swallow the Ctrl-C of a later test."""
    with kept_signals():
        yield


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
