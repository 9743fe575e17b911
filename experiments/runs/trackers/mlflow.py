"""Logs a search as a run of MLflow, on its server or in its database."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.config.parsing.sections import flatten
from experiments.runs.trackers.background import NUM_DONE, Point
from nas.files.atomic_write import write_text
from nas.files.guarded_read import read_json

_MAX_ENTRIES = 500
_MAX_PARAMS = 100
_MAX_TEXT = 500


class MlflowTracker:
    """Logs to one run of MLflow per run folder; a file in the folder holds its ID.

    The last value of ``search/num_done`` tells how many points the run holds, so that each is logged once.

    Args:
        path: Of the file with the ID of the run.
        uri: Of the server or database; None uses MLflow's own setting.
        experiment: Name of the experiment; it is created if it does not exist.
        settings: The configuration by section, logged as parameters.
    """

    name = "mlflow"

    def __init__(self, path: Path, uri: str | None, experiment: str, settings: Mapping[str, Any]) -> None:
        self._path = path
        self._uri = uri
        self._experiment = experiment
        self._settings = settings
        self._client: Any = None
        self._run_id = ""

    def open(self) -> int:
        """Creates a run, or resumes the one in the file; ValueError if the file holds no ID of a run."""
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=self._uri)
        if not self._path.exists():
            self._run_id = self._start()
            return 0
        self._run_id = self._stored_id()
        run = self._client.get_run(self._run_id)
        self._client.update_run(self._run_id, status="RUNNING")
        return int(run.data.metrics.get(NUM_DONE, 0))

    def log(self, points: Sequence[Point]) -> None:
        """Sends the values, one request per point."""
        from mlflow.entities import Metric

        for point in points:
            milliseconds = int(point.time * 1000)
            metrics = [Metric(_allowed(name), value, milliseconds, point.step) for name, value in point.values.items()]
            self._client.log_batch(self._run_id, metrics=metrics[-_MAX_ENTRIES:])

    def close(self, *, finished: bool) -> None:
        """Ends the run with the status FINISHED or KILLED."""
        self._client.set_terminated(self._run_id, "FINISHED" if finished else "KILLED")

    def _start(self) -> str:
        from mlflow.entities import Param

        found = self._client.get_experiment_by_name(self._experiment)
        experiment = self._client.create_experiment(self._experiment) if found is None else found.experiment_id
        run_id = str(self._client.create_run(experiment, run_name=self._path.parent.name).info.run_id)
        params = [Param(_allowed(key), json.dumps(value)[:_MAX_TEXT]) for key, value in flatten(self._settings)]
        for start in range(0, len(params), _MAX_PARAMS):
            self._client.log_batch(run_id, params=params[start : start + _MAX_PARAMS])
        write_text(self._path, json.dumps({"run_id": run_id}) + "\n")
        return run_id

    def _stored_id(self) -> str:
        value = read_json(self._path)
        run_id = value.get("run_id") if isinstance(value, dict) else None
        if not isinstance(run_id, str) or not re.fullmatch(r"\w{1,64}", run_id):
            raise ValueError(f"{self._path} must hold the ID of an MLflow run; delete the file to start another run")
        return run_id


def _allowed(name: str) -> str:
    """Replaces characters that MLflow does not allow in names."""
    return re.sub(r"[^\w\-./ ]", "_", name)[:250]
