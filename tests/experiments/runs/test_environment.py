from __future__ import annotations

import importlib.metadata
import json
import subprocess
from pathlib import Path

import torch

from experiments.runs import environment


def test_environment_is_plain_data_and_right():
    value = environment.describe_environment()
    assert json.loads(json.dumps(value)) == value
    assert value["packages"]["torch"] == importlib.metadata.version("torch")
    assert len(value["hardware"]["gpus"]) == torch.cuda.device_count()
    assert value["hardware"]["num_cpus"] >= 1
    assert value["hardware"]["memory_bytes"] > 2**28


def test_what_cannot_be_found_out_is_null(monkeypatch):
    def refuse(*_arguments: object, **_keywords: object) -> None:
        raise OSError

    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package",))
    monkeypatch.setattr(environment.subprocess, "run", refuse)
    monkeypatch.setattr(environment.os, "sysconf", refuse)
    monkeypatch.setattr(environment.Path, "read_text", refuse)
    monkeypatch.setattr(environment.platform, "processor", lambda: "")
    value = environment.describe_environment()
    assert value["packages"] == {"no-such-package": None}
    assert value["git"] is None
    assert value["hardware"]["memory_bytes"] is None
    assert value["hardware"]["processor"] is None


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_git_commit_and_changes_are_told(tmp_path):
    assert environment.git_commit(tmp_path) is None
    _git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1\n")
    _git(tmp_path, "add", "a.py")
    _git(tmp_path, "commit", "-q", "-m", "first")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert environment.git_commit(tmp_path) == {"commit": commit, "changed": False}
    (tmp_path / "a.py").write_text("2\n")
    assert environment.git_commit(tmp_path) == {"commit": commit, "changed": True}


def test_environment_inside_somebody_elses_repository_is_not_their_commit(tmp_path):
    _git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1\n")
    _git(tmp_path, "add", "a.py")
    _git(tmp_path, "commit", "-q", "-m", "first")
    site_packages = tmp_path / ".venv" / "site-packages"
    site_packages.mkdir(parents=True)
    (site_packages / "module.py").write_text("1\n")
    assert environment.git_commit(site_packages) is None
