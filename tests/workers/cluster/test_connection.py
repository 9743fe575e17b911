import os
import socket
import stat
from pathlib import Path

import pytest
import ray
from ray._private import ray_constants

from workers.cluster import connection as ray_cluster
from workers.cluster.connection import connect


@pytest.fixture
def no_ray(monkeypatch):
    """As if this process were not connected, whatever the test session has; ray.init only takes notes."""
    calls = []
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: calls.append("shutdown"))
    monkeypatch.setattr(ray, "init", lambda **options: calls.append(options))
    return calls


def test_a_local_ray_has_a_folder_of_its_own_and_goes_with_the_block(no_ray):
    before = ray_constants.ENABLE_RAY_CLUSTER
    with connect(num_cpus=3, custom={"tpu": 2.0}):
        (options,) = no_ray
        folder = Path(options["_temp_dir"])
        assert folder.is_dir()
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert token.parent == folder.parent
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert len(token.read_text()) == 64
        assert len(str(folder)) < 45
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert not ray_constants.ENABLE_RAY_CLUSTER
        assert options["address"] == "local"
        assert (options["num_cpus"], options["num_gpus"], options["resources"]) == (3, None, {"tpu": 2.0})
        assert not options["include_dashboard"]
        assert not options["log_to_driver"]
    assert no_ray[1:] == ["shutdown"]
    assert not folder.parent.exists()
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ
    assert before == ray_constants.ENABLE_RAY_CLUSTER


def test_a_long_temporary_folder_is_avoided(no_ray, monkeypatch, tmp_path):
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with connect():
        assert Path(no_ray[0]["_temp_dir"]).parents[1] == Path("/", "tmp")


def test_a_temporary_folder_where_others_could_move_the_session_is_avoided(no_ray, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ray_cluster, "_MAX_PARENT", 1000)
    tmp_path.chmod(0o777)
    with connect():
        assert Path(no_ray[0]["_temp_dir"]).parents[1] == Path("/", "tmp")
    tmp_path.chmod(0o1777)
    with connect():
        assert Path(no_ray[2]["_temp_dir"]).parents[1] == tmp_path


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_no_other(no_ray, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ray_cluster, "_MAX_PARENT", 1000)
    abandoned, unfinished, foreign = tmp_path / "nas-ray-1", tmp_path / "nas-ray-2", tmp_path / "other"
    for folder in (abandoned, unfinished, foreign):
        folder.mkdir()
    (abandoned / "driver.lock").touch()
    (foreign / "driver.lock").touch()
    with connect():
        mine = Path(no_ray[0]["_temp_dir"]).parent
        assert sorted(tmp_path.iterdir()) == sorted([unfinished, foreign, mine])
        with connect():
            assert mine.is_dir()
    assert sorted(tmp_path.iterdir()) == sorted([unfinished, foreign])


def test_a_connection_that_exists_is_used_and_kept(ray_cluster):
    with connect("auto"):
        assert ray.is_initialized()
    assert ray.is_initialized()


def test_servers_listen_on_loopback_only(ray_cluster):
    assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]


def test_the_packages_are_sent_to_a_cluster(no_ray, monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    with connect("auto"):
        (options,) = no_ray
        folders = [Path(folder) for folder in options["runtime_env"]["py_modules"]]
    assert [folder.name for folder in folders] == ["nas", "search_spaces", "controllers", "workers", "experiments"]
    assert all((folder / "__init__.py").is_file() for folder in folders)
    assert no_ray[1:] == ["shutdown"]


@pytest.mark.parametrize("address", ["auto", None])
def test_a_submitted_job_runs_on_its_cluster_and_brings_its_own_code(no_ray, monkeypatch, address):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with connect(address):
        assert no_ray[0]["address"] == "auto"
        assert no_ray[0]["runtime_env"] == {}


def test_a_runtime_environment_is_prepared_beside_the_packages(no_ray, monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    wanted = {"env_vars": {"NAS_CACHE": "/fast"}, "py_modules": ["mine"]}
    with connect("auto", runtime_env=wanted), connect(runtime_env=wanted), connect():
        pass
    cluster, local, plain = (options["runtime_env"] for options in no_ray if options != "shutdown")
    assert cluster["env_vars"] == {"NAS_CACHE": "/fast"}
    assert len(cluster["py_modules"]) == 6
    assert cluster["py_modules"][-1] == "mine"
    assert local == wanted
    assert plain is None


@pytest.mark.parametrize("address", ["", "nowhere", "ray://127.0.0.1:10001", "host:port", ":6379"])
def test_an_address_must_have_a_form_that_ray_takes(no_ray, address):
    with pytest.raises(ValueError, match="must be auto or HOST:PORT"), connect(address):
        pass


def test_a_cluster_that_does_not_answer_is_named(no_ray):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RuntimeError, match=f"no Ray cluster answers at {address}: .*refused"), connect(address):
            pass
    assert no_ray == []


@pytest.mark.parametrize("kind", [ConnectionError, Exception])
@pytest.mark.parametrize(
    ("address", "message"),
    [(None, "Ray cannot be started here: no room"), ("auto", "the Ray cluster auto cannot be used: no room")],
)
def test_what_ray_says_becomes_one_line(no_ray, monkeypatch, kind, address, message):
    def fail(**options):
        raise kind("no room\nand much more")

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(RuntimeError) as caught, connect(address):
        pass
    assert str(caught.value) == message
