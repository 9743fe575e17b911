"""The trackers of a whole search: off by default, one run a search, and no search that they could stop."""

from __future__ import annotations

import io
import sys

import pytest
import yaml
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.config.resolve import ConfigRequest
from experiments.config.search_config import SearchConfig
from experiments.runs.trackers.opening import open_trackers
from experiments.search.run import run_search
from nas.trial import Failure, Success

TENSORBOARD = "trackers.tensorboard=true"


@pytest.fixture
def search(tmp_path, set_evaluator):
    """Runs a search, whose trials are measured at once, to so many trials; returns its exit code and what it said."""

    def measure(trial, **_arguments):
        return Failure(trial.id, "error", "text") if trial.id == 1 else Success(trial.id, 0.1 + trial.id / 10)

    set_evaluator(measure)
    config = tmp_path / "config.yaml"
    document = {
        "space": "tiny",
        "controller": "random",
        "search": {"num_trials": 3},
        "data": {"num_train": 40, "validation_fraction": 0.25},
        "workers": {"pool": "serial", "keep_weights": 0},
    }
    config.write_text(yaml.safe_dump(document))

    def run(trials, *settings):
        stream = io.StringIO()
        request = ConfigRequest(str(config), {("search", "num_trials"): trials}, settings)
        code = run_search(request, tmp_path / "run", Console(file=stream, width=300))
        return code, stream.getvalue()

    return run


def accuracies(folder):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {each.step: round(each.value, 6) for each in events.Scalars("trial/accuracy")}, events


def test_trackers_are_off_unless_asked_for(search, tmp_path):
    assert search(3)[0] == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} & {"tensorboard", "mlflow.json"} == set()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's own
def test_a_continued_search_has_every_point_once(search, tmp_path):
    assert search(3)[0] == 0  # what was measured before the tracker was turned on is shown too
    for trials in (5, 6):
        code, said = search(trials, TENSORBOARD)
        assert code == 0
        assert "warning" not in said
    found, events = accuracies(tmp_path / "run")
    assert found == {1: 0.1, 3: 0.3, 4: 0.4, 5: 0.5, 6: 0.6}
    assert [each.step for each in events.Scalars("search/num_done")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_search_without_the_library_goes_on_with_one_line(search, tmp_path, monkeypatch, name):
    for module in ("torch.utils.tensorboard", "mlflow"):
        monkeypatch.setitem(sys.modules, module, None)
    code, said = search(4, f"trackers.{name}=true")
    assert code == 0
    (warning,) = [line for line in said.splitlines() if "warning" in line]
    assert f"warning: {name} is disabled for the rest of this session: " in warning
    assert f"pip install 'nas-engine[{name}]'" in warning
    assert "4 trials, best: trial 3" in said


def test_a_folder_that_cannot_be_written_is_one_line(search, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("a file")
    code, said = search(3, TENSORBOARD)
    assert code == 0
    assert said.count("warning") == 1


def test_without_trackers_no_point_is_built(monkeypatch):
    monkeypatch.delattr("experiments.runs.trackers.background.PointBuilder.take")
    with open_trackers(SearchConfig.parse({"search": {"num_trials": 1}}), None, [], print) as log_outcome:
        log_outcome(Success(0, 0.5))
