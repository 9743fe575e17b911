from __future__ import annotations

from experiments.runs.run_folder import RunFolder
from experiments.search.best_weights import BestWeights
from nas.records import Record
from nas.rewards import Accuracy, CostedAccuracy, ShiftedAccuracy
from nas.trial import Failure, Success


def _write(folder: RunFolder, trial_id: int) -> None:
    folder.weights.mkdir(exist_ok=True)
    folder.trial_weights(trial_id).write_bytes(b"weights")


def _kept(folder: RunFolder) -> set[str]:
    return {path.name for path in folder.weights.iterdir()}


def test_only_the_best_keep_their_weights(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    best = BestWeights(folder, 2, [], Accuracy())
    for trial_id, accuracy in enumerate((0.5, 0.9, 0.1, 0.7, 0.7)):
        _write(folder, trial_id)
        best.take(make_trial(trial_id), Success(trial_id, accuracy))
    assert _kept(folder) == {"trial-1.safetensors", "trial-3.safetensors"}


def test_one_architecture_keeps_one_file_and_failures_keep_none(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    best = BestWeights(folder, 5, [], Accuracy())
    for trial_id in range(4):
        _write(folder, trial_id)
    best.take(make_trial(0, 0), Success(0, 0.5))
    best.take(make_trial(1, 0), Success(1, 0.6))
    best.take(make_trial(2, 1), Failure(2, "error", "text"))
    assert _kept(folder) == {"trial-0.safetensors", "trial-3.safetensors"}


def test_what_a_crash_left_behind_is_removed_and_trials_in_flight_are_left_alone(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    for trial_id in range(5):
        _write(folder, trial_id)
    (folder.weights / "notes.txt").write_text("mine")
    finished = [Record(make_trial(i), Success(i, i / 10), 0.0, 1.0) for i in range(4)]
    BestWeights(folder, 2, finished, Accuracy())
    assert _kept(folder) == {"trial-2.safetensors", "trial-3.safetensors", "trial-4.safetensors", "notes.txt"}


def test_keeping_none_keeps_none(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    _write(folder, 0)
    BestWeights(folder, 0, [], Accuracy()).take(make_trial(0), Success(0, 0.9))
    assert _kept(folder) == set()


def test_what_counts_is_the_reward(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    best = BestWeights(folder, 1, [], CostedAccuracy(target_multiply_adds=100.0, exponent=-1.0))
    for trial_id, (accuracy, cost) in enumerate(((0.9, 400), (0.6, 100), (0.8, 200))):
        _write(folder, trial_id)
        best.take(make_trial(trial_id), Success(trial_id, accuracy, num_multiply_adds=cost))
    assert _kept(folder) == {"trial-1.safetensors"}


def test_trials_that_were_only_scored_take_no_place(tmp_path, make_trial):
    folder = RunFolder(tmp_path)
    best = BestWeights(folder, 1, [], ShiftedAccuracy())
    best.take(make_trial(0), Success(0, 0.0, stopped_after=0))
    _write(folder, 1)
    best.take(make_trial(1, 0), Success(1, 0.1, metrics={"shifted_accuracy": 0.1}))
    assert _kept(folder) == {"trial-1.safetensors"}
