"""The optional trackers of a search: off unless the section ``trackers`` turns them on, and never able to stop one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import yaml

from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from experiments.runs.trackers.background import Course, Tracker, TrackerThread
from experiments.runs.trackers.mlflow import MlflowTracker
from experiments.runs.trackers.tensorboard import TensorBoardTracker
from nas.ledger.writer import Record
from nas.trial import Outcome


def open_trackers(
    config: SearchConfig, folder: RunFolder, earlier: Sequence[Record], warn: Callable[[str], None]
) -> Trackers:
    """The trackers that a configuration asks for, to be entered.

    Args:
        config: of the search.
        folder: of the run.
        earlier: what the ledger holds.
        warn: takes the text of a warning, from any thread.
    """
    course = Course(config.reward)
    return Trackers(_build(config, folder), course, earlier, num_trials=config.search.num_trials, warn=warn)


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
    """Shows every outcome of a run, those of earlier sessions included, to some trackers while it is entered.

    Args:
        trackers: not opened.
        course: of the run, that has taken nothing.
        earlier: what the ledger holds.
        num_trials: of the finished run.
        warn: takes the text of a warning, from any thread.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        course: Course,
        earlier: Sequence[Record],
        *,
        num_trials: int,
        warn: Callable[[str], None],
    ) -> None:
        self._threads = [TrackerThread(tracker, warn) for tracker in trackers]
        self._course = course
        self._earlier = earlier
        self._num_trials = num_trials

    def take(self, outcome: Outcome) -> None:
        """Shows one more outcome; returns at once."""
        self._take(outcome, time.time())

    def _take(self, outcome: Outcome, at: float) -> None:
        if self._threads:
            point = self._course.take(outcome, at)
            for thread in self._threads:
                thread.take(point)

    def __enter__(self) -> Self:
        """Starts the trackers and shows them what the ledger holds."""
        for thread in self._threads:
            thread.start()
        for record in self._earlier:
            self._take(record.outcome, record.finished_at)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets the trackers end their work, for some seconds at most."""
        for thread in self._threads:
            thread.close(finished=self._course.num_done >= self._num_trials)
