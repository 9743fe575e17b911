"""Connects this process to Ray: starts a local instance, or joins a running cluster."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from nas import plugins
from workers.cluster.resources import check_address
from workers.cluster.signals import kept_signals
from workers.cluster.watch import quiet_ray, watched_ray
from workers.errors import first_line

PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")

_CONNECT_SECONDS = 5.0
_FOLDER_PREFIX = "nas-ray-"
_LOCK = "driver.lock"
_MAX_PARENT = 23  # characters; the paths of Ray's sockets are about 82 longer and may have no more than 107
_LOCAL_ENVIRONMENT = {
    # Ray's default of 15 starves workers beside other processes; `nice nas search` still lowers the priority.
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Hides the GPUs from workers that request none.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    # Makes Ray's servers listen on loopback, the default on systems other than Linux.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


@contextmanager
def connect(
    address: str | None = None,
    *,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    custom: Mapping[str, float] | None = None,
    dashboard: bool = False,
    runtime_env: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Connects this process to Ray within the with block; an existing connection is used and kept.

    Args:
        address: None starts Ray on this machine, with servers on loopback, and stops it at the end; in a submitted job
            it uses the cluster of the job. ``auto`` is the cluster of which this machine is a node, HOST:PORT a
            specific one; the five packages are sent to its nodes, except from a submitted job, which contains them.
        num_cpus: Logical CPUs of a local Ray; None detects them.
        num_gpus: GPUs of a local Ray; None detects them.
        custom: Custom resources of a local Ray, by name.
        dashboard: Whether a local Ray serves its dashboard on http://127.0.0.1:8265.
        runtime_env: Runtime environment of the nodes, beside the five packages.

    Raises:
        RuntimeError: If Ray cannot be started, or the cluster cannot be reached.

    Example:
        >>> import nas
        >>> with nas.connect(num_cpus=2):  # doctest: +SKIP
        ...     run = nas.run_search("digits_ppo", out="runs/first")
    """
    environment = dict(runtime_env or {})
    if ray.is_initialized():
        yield
    elif address is None and not _is_submitted():
        with _environment(_LOCAL_ENVIRONMENT), _loopback(), _session_folder() as folder:
            resources = {"num_cpus": num_cpus, "num_gpus": num_gpus, "resources": dict(custom or {})}
            options = {"include_dashboard": dashboard, "_temp_dir": str(folder), "runtime_env": environment or None}
            with _connected("local", **resources, **options):
                yield
    else:
        address = "auto" if address is None else address
        _check_address(address)
        with _environment({"RAY_USAGE_STATS_ENABLED": "0"}), _connected(address, runtime_env=_with_code(environment)):
            yield


@contextmanager
def _connected(address: str, **options: Any) -> Iterator[None]:  # noqa: ANN401 - those of ray.init
    # Ray logs at every start that it protects its servers with a token.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    with quiet_ray(), kept_signals():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, **options)
        except Exception as error:  # Ray raises plain Exception too, as when a busy machine takes too long to start it
            what = "Ray cannot be started here" if address == "local" else f"the Ray cluster {address} cannot be used"
            raise RuntimeError(f"{what}: {first_line(error)}{_token_hint(error)}") from error
        try:
            with watched_ray():
                yield
        finally:
            ray.shutdown()


def _token_hint(error: Exception) -> str:
    """How to let this machine in, if the cluster asked for a token."""
    if "authentication" not in str(error).lower():
        return ""
    return (
        "; all nodes need one token: `ray get-auth-token --generate` before `ray start` on the head writes "
        "~/.ray/auth_token, to be copied to the other nodes"
    )


def _check_address(address: str) -> None:
    """Raises RuntimeError in seconds if no cluster answers (Ray tries for a minute); ValueError for no address."""
    if address == "auto":
        return
    check_address(address)
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise RuntimeError(f"no Ray cluster answers at {address}: {error}") from error


def _is_submitted() -> bool:
    """Whether this process was started by ``ray job submit`` on a node of the cluster."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def _with_code(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the five packages to a runtime environment, for nodes without them or with other versions."""
    if _is_submitted():  # its working directory contains them
        return dict(environment)
    specs = [find_spec(package) for package in PACKAGES]
    folders = [str(Path(spec.origin).parent) for spec in specs if spec is not None and spec.origin]
    return {**environment, "py_modules": [*folders, *plugins.sources(), *environment.get("py_modules", [])]}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables that are not set yet, within the with block."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _loopback() -> Iterator[None]:
    """Applies the variable for loopback, which Ray reads only when it is imported."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] != "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _session_folder() -> Iterator[Path]:
    """Creates a folder for a session of Ray and removes it at the end; also removes those of killed processes.

    Ray opens its own folder, and those within, to every user; they are within a private one, which also holds the token
    that protects Ray's servers.
    """
    parent = _safe_parent()
    _remove_abandoned(parent)
    private = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
    try:
        with (private / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (private / "lock").rename(private / _LOCK)  # only now, so that none takes the folder for abandoned
            (private / "r").mkdir()
            with _private_token(private / "token"):
                yield private / "r"
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _safe_parent() -> Path:
    """Returns a folder where others cannot move or remove what this user creates: the temporary folder, or ``/tmp``."""
    wanted = Path(tempfile.gettempdir())
    for parent in (wanted, Path("/tmp")):  # noqa: S108 - only a new private folder within
        mode = parent.stat().st_mode if parent.is_dir() else 0o777
        is_safe = bool(mode & stat.S_ISVTX) or not mode & (stat.S_IWGRP | stat.S_IWOTH)
        if is_safe and len(str(parent)) <= _MAX_PARENT:
            return parent
    raise RuntimeError(
        f"Ray needs a temporary folder (TMPDIR) with a path of at most {_MAX_PARENT} characters that others cannot "
        f"write to, or that has the sticky bit (chmod +t), got {wanted}"
    )


@contextmanager
def _private_token(path: Path) -> Iterator[None]:
    """Creates the token of a local Ray, readable by this user only; Ray's default is a file that all can read."""
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        yield
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    loader = AuthenticationTokenLoader.instance()
    with _environment({"RAY_AUTH_TOKEN_PATH": str(path)}):
        loader.reset_cache()
        try:
            yield
        finally:
            loader.reset_cache()


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{_FOLDER_PREFIX}*/{_LOCK}"):
        # Folders of other users cannot be opened; the system unlocks those of killed processes only.
        with suppress(OSError), path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
