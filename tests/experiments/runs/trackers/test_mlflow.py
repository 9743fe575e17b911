from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from experiments.runs.trackers.background import Point
from experiments.runs.trackers.mlflow import MlflowTracker

SETTINGS = {
    "search": {"num_trials": 5, "seed": 0},
    "space": {"ops": ["a", "b"], "long": "x" * 9000},
    **{f"s{n}": {f"k{m}": m for m in range(20)} for n in range(7)},
}


class Server:
    """What MLflow keeps, with its rules for names, numbers of entries and parameters."""

    def __init__(self):
        self.experiments, self.runs, self.addresses = {}, {}, []

    def client(self, tracking_uri=None):
        self.addresses.append(tracking_uri)
        return self

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=self.experiments[name]) if name in self.experiments else None

    def create_experiment(self, name):
        return self.experiments.setdefault(name, str(len(self.experiments)))

    def create_run(self, experiment_id, run_name):
        run_id = f"run{len(self.runs)}"
        self.runs[run_id] = SimpleNamespace(name=run_name, status="RUNNING", metrics=[], params={})
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id))

    def get_run(self, run_id):
        latest = {metric.key: metric.value for metric in self.runs[run_id].metrics}
        return SimpleNamespace(data=SimpleNamespace(metrics=latest))

    def update_run(self, run_id, status):
        self.runs[run_id].status = status

    def set_terminated(self, run_id, status):
        self.runs[run_id].status = status

    def log_batch(self, run_id, metrics=(), params=()):
        assert len(metrics) <= 1000
        assert len(params) <= 100
        run = self.runs[run_id]
        run.metrics += metrics
        for param in params:
            assert len(param.value) <= 6000
            assert run.params.setdefault(param.key, param.value) == param.value, "a parameter cannot be changed"
        for each in (*metrics, *params):
            assert all(char.isalnum() or char in "_-./ " for char in each.key), each.key


@pytest.fixture
def server(monkeypatch):
    """Stands for the library where it is not installed; the last test is for the real one."""
    server = Server()
    library, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    library.MlflowClient = server.client
    entities.Metric = lambda key, value, timestamp, step: SimpleNamespace(
        key=key, value=value, timestamp=timestamp, step=step
    )
    entities.Param = lambda key, value: SimpleNamespace(key=key, value=value)
    monkeypatch.setitem(sys.modules, "mlflow", library)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return server


def point(step):
    return Point(step, 1000.5, {"trial/accuracy": step / 8, "trial/a:b": 1.0, "search/num_done": float(step)})


def session(path, steps, *, finished, uri="http://127.0.0.1:1", held=0):
    tracker = MlflowTracker(path, uri, "cells", SETTINGS)
    assert tracker.open() == held
    tracker.log([point(step) for step in steps if step > held])
    tracker.close(finished=finished)
    return json.loads(path.read_text())["run_id"]


def test_one_run_for_a_search_and_no_point_twice(server, tmp_path):
    path = tmp_path / "my run" / "mlflow.json"
    path.parent.mkdir()
    run_id = session(path, [1, 2, 3], finished=False)
    run = server.runs[run_id]
    assert run.status == "KILLED"
    assert session(path, [1, 2, 3, 4, 5], finished=True, held=3) == run_id
    assert [metric.step for metric in run.metrics if metric.key == "trial/accuracy"] == [1, 2, 3, 4, 5]
    assert {metric.timestamp for metric in run.metrics} == {1_000_500}
    assert {metric.key for metric in run.metrics} == {"trial/accuracy", "trial/a_b", "search/num_done"}
    assert (run.status, run.name) == ("FINISHED", "my run")
    assert run.params["search.num_trials"] == "5"
    assert run.params["space.ops"] == '["a", "b"]'
    assert len(run.params) == 4 + 140
    assert server.addresses == ["http://127.0.0.1:1"] * 2


def test_another_search_is_another_run_of_the_experiment(server, tmp_path):
    first, second = (session(tmp_path / name, [1], finished=True) for name in ("a.json", "b.json"))
    assert first != second
    assert server.experiments == {"cells": "0"}


@pytest.mark.parametrize("text", ["{}", "[]", '{"run_id": 3}', '{"run_id": "../x"}', "{torn"])
def test_a_file_that_names_no_run_is_refused(server, tmp_path, text):
    path = tmp_path / "mlflow.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"must hold the ID of an MLflow run|Expecting"):
        MlflowTracker(path, None, "cells", {}).open()


def test_with_the_library_itself(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "mlruns").as_uri()
    path = tmp_path / "mlflow.json"
    run_id = session(path, [1, 2, 3], finished=False, uri=uri)
    session(path, [1, 2, 3, 4, 5], finished=True, uri=uri, held=3)
    client = MlflowClient(tracking_uri=uri)
    history = client.get_metric_history(run_id, "trial/accuracy")
    assert sorted((metric.step, metric.value, metric.timestamp) for metric in history) == [
        (step, step / 8, 1_000_500) for step in range(1, 6)
    ]
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["search.num_trials"] == "5"
