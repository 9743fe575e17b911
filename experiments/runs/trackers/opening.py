"""The optional trackers of a search, enabled in the section ``trackers``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import yaml

from experiments.config.parsing.secrets import masked
from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from experiments.runs.trackers.background import PointBuilder, Tracker, TrackerThread
from experiments.runs.trackers.mlflow import MlflowTracker
from experiments.runs.trackers.tensorboard import TensorBoardTracker
from nas.records import Record
from nas.trial import Outcome


@contextmanager
def open_trackers(
    config: SearchConfig, folder: RunFolder, earlier: Sequence[Record], warn: Callable[[str], None]
) -> Iterator[Callable[[Outcome], None]]:
    """Logs the outcomes of a run to the trackers that its configuration enables, those of earlier sessions first.

    Yields a function that logs an outcome without waiting for the trackers. They call `warn` from any thread.
    """
    threads = [TrackerThread(tracker, warn) for tracker in _build(config, folder)]
    points = PointBuilder(config.reward)

    def take(outcome: Outcome, at: float) -> None:
        if threads:
            point = points.take(outcome, at)
            for thread in threads:
                thread.take(point)

    for thread in threads:
        thread.start()
    for record in earlier:
        take(record.outcome, record.finished_at)
    try:
        yield lambda outcome: take(outcome, time.time())
    finally:
        for thread in threads:
            thread.close(finished=points.num_done >= config.search.num_trials)


def _build(config: SearchConfig, folder: RunFolder) -> list[Tracker]:
    settings, document = config.trackers, masked(config.to_document())
    trackers: list[Tracker] = []
    if settings.tensorboard:
        trackers.append(TensorBoardTracker(folder.path / "tensorboard", yaml.safe_dump(document, sort_keys=False)))
    if settings.mlflow:
        shown = {name: section for name, section in document.items() if name != "trackers"}
        path = folder.path / "mlflow.json"
        trackers.append(MlflowTracker(path, settings.mlflow_uri, settings.mlflow_experiment, shown))
    return trackers
