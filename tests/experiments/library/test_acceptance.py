"""What a user does with objects of their own: in a script, resumed after a kill; and from a package through YAML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli.main import main
from nas import plugins

ROOT = Path(__file__).parents[3]

SCRIPT = """
import nas
from sklearn.datasets import load_digits
class Space:
    choices = tuple(nas.Choice(f"op{i}", "op", 3) for i in range(4))
    def decode(self, decisions):
        ops = [("identity", "conv_1x1", "max_pool_3x3")[option] for option in decisions]
        cells = [nas.Cell((nas.Block(nas.Edge(0, a), nas.Edge(1, b)),)) for a, b in (ops[:2], ops[2:])]
        return nas.Architecture(*cells)
def evaluate(trial, data):
    if kill_at == trial.id: __import__("os").kill(__import__("os").getpid(), 9)
    return len({edge.op for edge in trial.architecture.normal.blocks[0].edges}) / len(data.class_names)
data = nas.data_set(load_digits().images.astype("uint8"), load_digits().target)
run = nas.run_search(space=Space, controller="random", evaluate=evaluate, data=data, trials=10, out="run")
"""
"""15 lines with one import of ours; `kill_at` comes from the test."""

AFTERWARDS = """
import torch
network = run.best.build(num_filters=4, num_repeats=1, num_stages=1, num_classes=10, image_size=8, in_channels=1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
images, labels = torch.from_numpy(data.train.images).float() / 16, torch.from_numpy(data.train.labels)
for _ in range(2):
    loss = torch.nn.functional.cross_entropy(network(images[:64]), labels[:64])
    optimizer.zero_grad(); loss.backward(); optimizer.step()
print([path.name for path in nas.export(network, "exported", class_names=data.class_names)])
print(len(run.trials), run.best.accuracy)
"""


def python(folder, code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_script_is_resumed_after_a_kill_and_its_best_is_trained_and_exported(tmp_path):
    lines = [line for line in SCRIPT.strip().splitlines() if "kill_at" not in line]
    assert len(lines) <= 15
    assert sum("import nas" in line for line in lines) == 1
    killed = python(tmp_path, "kill_at = 6\n" + SCRIPT)
    assert killed.returncode == -9, killed.stderr
    ledger = (tmp_path / "run" / "ledger.jsonl").read_text()
    assert ledger.count('"finished"') == 6
    done = python(tmp_path, "kill_at = None\n" + SCRIPT + AFTERWARDS)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "ledger.jsonl").read_text().startswith(ledger)
    *_, files, result = done.stdout.strip().splitlines()
    assert "'model.py'" in files
    assert "'weights.safetensors'" in files
    assert result == "10 0.2"
    commands = (["status", "run"], ["compare", "run", "--out", "compared"], ["draw", "run", "--out", "cells.svg"])
    code = f"from experiments.cli.main import main; print([main(command) for command in {commands!r}])"
    assert python(tmp_path, code).stdout.splitlines()[-1] == "[0, 0, 0]"
    assert "| validation accuracy | not recorded |" in (tmp_path / "exported" / "README.md").read_text()


PACKAGE = """
import os
from dataclasses import dataclass
import nas
from nas.models.layers import Conv, Rectified
from nas.models.operations import EdgeLayers

@dataclass(frozen=True)
class Space:
    ops: tuple[str, ...] = ("identity", "plugged_in.parts:double")
    num_blocks: int = 2

    @property
    def choices(self):
        return tuple(nas.Choice(f"block{index}", "op", len(self.ops)) for index in range(self.num_blocks))

    def decode(self, decisions):
        blocks = tuple(nas.Block(nas.Edge(1, self.ops[option]), nas.Edge(0, "identity")) for option in decisions)
        return nas.Architecture(nas.Cell(blocks), nas.Cell(blocks))

def double(site):
    conv = Conv(site.in_channels, site.out_channels, 1, stride=site.stride)
    return EdgeLayers(Rectified(), conv, site.norms.build(site.out_channels))

def flat_norm(num_channels, settings):
    from torch import nn
    return nn.Identity()

def load(spec):
    import numpy
    labels = numpy.arange(80) % 2
    return nas.data_set((numpy.zeros((80, 1, 8, 8)) + 200 * labels[:, None, None, None]).astype("uint8"), labels)

class Constant:
    def __init__(self, choices, *, seed):
        self._inner = nas.RandomSearch(choices, seed=seed)

    def ask(self, trial_ids, *pending):
        return self._inner.ask(trial_ids)

    def tell(self, rollout, reward):
        pass

def evaluate(trial, *, data):
    network = nas.build_network(trial.architecture, trial.fidelity.network)
    ops = [edge.op for block in trial.architecture.normal.blocks for edge in block.edges]
    return nas.Success(trial.id, ops.count("plugged_in.parts:double") / 4,
                       metrics={"process": float(os.getpid()), "images": float(len(data.train))})

def reward(success):
    return success.accuracy + 1
"""

CONFIGURATION = """
space: {name: "plugged_in.parts:Space", num_blocks: 3}
controller: "plugged_in.parts:Constant"
reward: "plugged_in.parts:reward"
evaluator: "plugged_in.parts:evaluate"
search: {num_trials: 4}
network: {num_filters: 4, num_repeats: 1, num_stages: 1}
data: {name: "plugged_in.parts:load"}
workers: {pool: ray, num_workers: 2}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in another folder, and a configuration that names its objects."""
    monkeypatch.setattr(plugins, "_modules", [])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "elsewhere" / "plugged_in"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text(PACKAGE)
    (tmp_path / "mine.yaml").write_text(CONFIGURATION)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "plugged_in"]:
        del sys.modules[name]


def test_a_configuration_alone_runs_no_code(package, capsys):
    assert main(["search", "mine.yaml", "--out", "run"]) == 2
    error = capsys.readouterr().err
    assert "plugged_in.parts:Space is code from outside" in error
    assert "add --import plugged_in.parts" in error
    assert not Path("run").exists()


@pytest.mark.slow
def test_a_package_in_another_folder_searches_on_ray_and_resumes(package, ray_cluster, capsys):
    imports = ["--import", str(package)]
    assert main(["search", "mine.yaml", "--out", "run", "--trials", "2", *imports]) == 0, capsys.readouterr().err
    assert main([*imports, "search", "mine.yaml", "--out", "run"]) == 0
    events = [json.loads(line) for line in Path("run", "ledger.jsonl").read_text().splitlines()]
    outcomes = [event["outcome"] for event in events if event["event"] == "finished"]
    assert [outcome["status"] for outcome in outcomes] == ["success"] * 4, outcomes
    assert all(outcome["metrics"]["images"] == 60 for outcome in outcomes)
    assert os.getpid() not in {outcome["metrics"]["process"] for outcome in outcomes}
    assert main(["export", "run", "--out", "exported", *imports]) == 0
    code = Path("exported", "model.py").read_text()
    assert "import plugged_in" not in code
    assert "from plugged_in" not in code
    compile(code, "model.py", "exec")
    assert main(["status", "run", *imports]) == 0
    assert main(["compare", "run", "--out", "compared", *imports]) == 0
    capsys.readouterr()
    assert main(["plugins", "--json", "--import", "plugged_in.parts"]) == 0
    found = json.loads(capsys.readouterr().out)["outside"]
    assert found == {
        "space": ["plugged_in.parts:Space"],
        "controller": ["plugged_in.parts:Constant"],
        "wrapper": [],
        "evaluator": ["plugged_in.parts:evaluate"],
        "reward": ["plugged_in.parts:reward"],
        "data": ["plugged_in.parts:load"],
        "operation": ["plugged_in.parts:double"],
        "norm": ["plugged_in.parts:flat_norm"],
    }
