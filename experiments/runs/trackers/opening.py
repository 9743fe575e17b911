"""The optional trackers of a search, enabled in the section ``trackers``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import yaml

from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from experiments.runs.trackers.background import PointBuilder, Tracker, TrackerThread
from experiments.runs.trackers.mlflow import MlflowTracker
from experiments.runs.trackers.tensorboard import TensorBoardTracker
from nas.records import Record
from nas.trial import Outcome


def open_trackers(
    config: SearchConfig, folder: RunFolder, earlier: Sequence[Record], warn: Callable[[str], None]
) -> Trackers:
    """Creates the trackers that a configuration enables, to be used as a context manager.

    Args:
        config: Of the search.
        folder: Of the run.
        earlier: The finished trials of the ledger.
        warn: Called with the text of a warning, from any thread.
    """
    points = PointBuilder(config.reward)
    return Trackers(_build(config, folder), points, earlier, num_trials=config.search.num_trials, warn=warn)


def _build(config: SearchConfig, folder: RunFolder) -> list[Tracker]:
    settings, document = config.trackers, config.to_document()
    trackers: list[Tracker] = []
    if settings.tensorboard:
        trackers.append(TensorBoardTracker(folder.path / "tensorboard", yaml.safe_dump(document, sort_keys=False)))
    if settings.mlflow:
        shown = {name: section for name, section in document.items() if name != "trackers"}
        path = folder.path / "mlflow.json"
        trackers.append(MlflowTracker(path, settings.mlflow_uri, settings.mlflow_experiment, shown))
    return trackers


class Trackers:
    """Logs every outcome of a run to trackers, those of earlier sessions first.

    Args:
        trackers: Not opened yet.
        points: Builds the points from the outcomes; new.
        earlier: The finished trials of the ledger.
        num_trials: Of the finished run.
        warn: Called with the text of a warning, from any thread.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        points: PointBuilder,
        earlier: Sequence[Record],
        *,
        num_trials: int,
        warn: Callable[[str], None],
    ) -> None:
        self._threads = [TrackerThread(tracker, warn) for tracker in trackers]
        self._points = points
        self._earlier = earlier
        self._num_trials = num_trials

    def take(self, outcome: Outcome) -> None:
        """Logs an outcome, without waiting for the trackers."""
        self._take(outcome, time.time())

    def _take(self, outcome: Outcome, at: float) -> None:
        if self._threads:
            point = self._points.take(outcome, at)
            for thread in self._threads:
                thread.take(point)

    def __enter__(self) -> Self:
        """Starts the trackers and logs the outcomes of the ledger."""
        for thread in self._threads:
            thread.start()
        for record in self._earlier:
            self._take(record.outcome, record.finished_at)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the trackers, waiting a few seconds at most."""
        for thread in self._threads:
            thread.close(finished=self._points.num_done >= self._num_trials)
