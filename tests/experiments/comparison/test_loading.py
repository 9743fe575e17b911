from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import yaml

from experiments.comparison.loading import differing, group_runs, load_run, objections, to_run
from experiments.comparison.results import Difference
from experiments.config.parsing.sections import flatten
from nas.ledger.writer import Ledger
from nas.trial import Failure, Success


def load(*folders):
    return [load_run(folder) for folder in folders]


def test_a_run_folder_is_read(write_run):
    run = load_run(write_run("a", "ppo", 1))
    assert run.settings["recipe.epochs"] == 3
    assert run.environment == {"python": "3.12.0", "hardware.num_cpus": 3}
    assert len(run.records) == 6
    assert run.strategy_settings == {
        "name": "ppo",
        "learning_rate": 0.01,
        "wrapper.name": "none",  # as before there were wrappers
        "search.failure_reward": 0.0,
        "workers.num_workers": 3,
    }


def test_trials_become_arrays_in_the_order_of_finishing(write_run):
    outcomes = [
        Success(1, 0.5, train_seconds=3.0, metrics={"test_accuracy": 0.4}),
        Failure(0, "timeout", "too long", train_seconds=9.0),
        Success(2, 0.5, cached=True, metrics={"test_accuracy": 0.45}),
    ]
    run = to_run(load_run(write_run("a", "ppo", 0, outcomes=outcomes)))
    np.testing.assert_array_equal(run.accuracy, [0.5, math.nan, 0.5])
    np.testing.assert_array_equal(run.test, [0.4, math.nan, 0.45])
    assert run.seconds.tolist() == [3.0, 9.0, 0.0]
    assert run.status_of_trials == ("success", "timeout", "cached")
    assert len(set(run.fingerprints)) == 3
    assert run.reward is None


def test_test_accuracy_needs_every_success(write_run):
    outcomes = [Success(0, 0.5, metrics={"test_accuracy": 0.4}), Success(1, 0.6)]
    assert to_run(load_run(write_run("a", "ppo", 0, outcomes=outcomes))).test is None


def test_trials_that_were_stopped_have_neither_accuracy_nor_test_accuracy(write_run):
    outcomes = [
        Success(0, 0.5, metrics={"test_accuracy": 0.4}),
        Success(1, 0.0, metrics={"synflow": 9.0}, stopped_after=0),
        Success(2, 0.3, stopped_after=1),
    ]
    run = to_run(load_run(write_run("a", "ppo", 0, outcomes=outcomes)))
    np.testing.assert_array_equal(run.accuracy, [0.5, math.nan, math.nan])
    np.testing.assert_array_equal(run.test, [0.4, math.nan, math.nan])
    assert run.status_of_trials == ("success", "stopped", "stopped")


def test_rewards_other_than_accuracy_are_computed(write_run):
    changes = {"reward__name": "costed_accuracy", "reward__target_multiply_adds": 20_000.0, "reward__exponent": -1.0}
    outcomes = [Success(0, 0.5, 1, 40_000), Failure(1, "error", "x")]
    run = to_run(load_run(write_run("a", "ppo", 0, outcomes=outcomes, **changes)))
    np.testing.assert_allclose(run.reward, [0.25, math.nan])


FRONT = {"objectives__names": ["accuracy", "parameters"]}


def test_runs_for_a_front_are_compared_by_their_share_of_the_hypervolume_of_all(write_run):
    """The reference point of the front of all runs is (0.47, 320): a tenth of its range below its worst values."""
    first = write_run("a", "ppo", 0, outcomes=[Success(0, 0.5, 100), Success(1, 0.8, 300)], **FRONT)
    second = [Success(0, 0.6, 200), Failure(1, "error", "x"), Success(2, 0.55, 250)]
    runs = load(first, write_run("b", "random", 0, outcomes=second, **FRONT))
    ppo, random = (strategy.runs[0] for strategy in group_runs(runs))
    total = 0.33 * 20 + 0.13 * 100 + 0.03 * 100
    np.testing.assert_allclose(ppo.hypervolume * total, [0.03 * 220, 0.03 * 220 + 0.3 * 20])
    np.testing.assert_allclose(random.hypervolume * total, [0.13 * 120] * 3)


def test_runs_for_different_fronts_have_no_hypervolume(write_run):
    outcomes = [Success(0, 0.5, 100, 7)]
    other = {"objectives__names": ["accuracy", "multiply_adds"]}
    for changes in (other, {}):
        runs = load(
            write_run("a", "ppo", 0, outcomes=outcomes, **FRONT),
            write_run(f"b{len(changes)}", "random", 0, outcomes=outcomes, **changes),
        )
        assert [run.hypervolume for strategy in group_runs(runs) for run in strategy.runs] == [None, None]


def test_unknown_reward_is_refused(write_run):
    with pytest.raises(ValueError, match=r"unknown reward 'speed'"):
        to_run(load_run(write_run("a", "ppo", 0, reward__name="speed")))


def test_architectures_that_are_not_made_of_cells_are_read_as_they_are(write_run, make_trial):
    folder = write_run("a", "ppo", 0, outcomes=[Success(0, 0.5)])
    ledger = folder / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    lines[1]["trial"]["architecture"] = {"edges": ["none", "skip"]}
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = load_run(folder).records[0]
    assert record.trial.architecture.to_json() == {"edges": ["none", "skip"]}
    assert len(record.trial.architecture.fingerprint) == 32


def test_folders_without_a_run_are_refused(write_run, tmp_path):
    with pytest.raises(ValueError, match=r"there is no folder .*missing$"):
        load_run(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"holds no run: there is no config.yaml in it"):
        load_run(tmp_path)
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "config.yaml").write_text("training: {}\n")
    with pytest.raises(ValueError, match="holds a run of `nas train`; it must be one of `nas search`"):
        load_run(tmp_path / "training")
    with pytest.raises(ValueError, match="holds no finished trial"):
        load_run(write_run("begun", "ppo", 0, outcomes=[]))
    assert to_run(load_run(write_run("failed", "ppo", 0, outcomes=[Failure(0, "error", "x")]))).num_trials == 1


def test_a_search_without_accuracies_is_refused(write_run):
    with pytest.raises(ValueError, match=r"runs must hold accuracies to be compared, but .* is a search by scores"):
        load_run(write_run("scores", "ppo", 0, evaluator__name="zero_cost"))


@pytest.mark.parametrize("content", [None, "no JSON", "[1]"])
def test_an_environment_that_cannot_be_read_is_left_out(write_run, content):
    folder = write_run("a", "ppo", 0)
    if content is None:
        (folder / "environment.json").unlink()
    else:
        (folder / "environment.json").write_text(content)
    assert load_run(folder).environment == {}


def test_a_run_that_is_being_written_can_be_read(write_run):
    folder = write_run("a", "ppo", 0)
    with Ledger(folder / "ledger.jsonl"):
        assert len(load_run(folder).records) == 6


def test_differing_settings_are_shown_with_missing_ones_as_none():
    rows = differing({"a": {"x": 1, "y": [2]}, "b": {"x": 1, "y": [3], "z": 0}})
    assert rows == (Difference("y", {"a": [2], "b": [3]}), Difference("z", {"a": None, "b": 0}))
    assert dict(flatten({"a": {"b": {"c": 1}}, "d": []})) == {"a.b.c": 1, "d": []}


def test_seeds_workers_and_where_data_lie_may_differ(write_run):
    runs = load(write_run("a", "ppo", 0), write_run("b", "ppo", 1, workers__num_workers=5), write_run("c", "random", 0))
    assert objections(runs) == []


def test_runs_with_different_numbers_of_workers_are_different_strategies_unless_they_are_pooled(write_run):
    runs = load(write_run("a", "ppo", 0), write_run("b", "ppo", 1), write_run("c", "ppo", 2, workers__num_workers=9))
    assert [(each.name, len(each.runs)) for each in group_runs(runs)] == [
        ("ppo, workers.num_workers=3", 2),
        ("ppo, workers.num_workers=9", 1),
    ]
    pooled = [replace(run, pool_workers=True) for run in runs]
    assert [(each.name, len(each.runs)) for each in group_runs(pooled)] == [("ppo", 3)]


def test_in_ordered_batches_the_number_of_workers_does_not_matter(write_run):
    changes = {"search__deterministic": True}
    runs = load(write_run("a", "ppo", 0, **changes), write_run("b", "ppo", 1, workers__num_workers=9, **changes))
    assert [len(each.runs) for each in group_runs(runs)] == [2]


def test_wrappers_are_different_strategies(write_run):
    runs = load(write_run("a", "ppo", 0), write_run("b", "ppo", 0, wrapper__name="fresh"))
    assert objections(runs) == []
    assert [each.name for each in group_runs(runs)] == ['ppo, wrapper.name="fresh"', 'ppo, wrapper.name="none"']


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("recipe__epochs", 5, "recipe.epochs is 3 in {a}, 5 in {b}"),
        ("space__name", "nasnet", 'space.name is "tiny" in {a}, "nasnet" in {b}'),
        ("data__num_train", 100, "data.num_train is null in {a}, 100 in {b}"),
        ("search__num_trials", 9, "search.num_trials is 6 in {a}, 9 in {b}"),
        ("workers__cpus", 2.0, "workers.cpus is 1.0 in {a}, 2.0 in {b}"),
    ],
)
def test_settings_that_change_what_is_measured_are_objected_to(write_run, key, value, shown):
    a, b = write_run("a", "ppo", 0), write_run("b", "random", 0, **{key: value})
    assert objections(load(a, b)) == [shown.format(a=a, b=b)]


def test_runs_with_one_value_stand_together(write_run):
    folders = write_run("a", "ppo", 0), write_run("b", "ppo", 1, recipe__epochs=5), write_run("c", "ppo", 2)
    assert objections(load(*folders)) == [f"recipe.epochs is 3 in {folders[0]} and {folders[2]}, 5 in {folders[1]}"]


def test_a_seed_twice_is_objected_to(write_run):
    a, b = write_run("a", "ppo", 4), write_run("b", "ppo", 4)
    assert objections(load(a, b)) == [f"{a} and {b} both run ppo with seed 4 and are not independent"]


def test_runs_are_grouped_by_controller_with_random_search_last(write_run):
    folders = [write_run(f"{name}-{seed}", name, seed) for seed in range(2) for name in ("random", "ppo")]
    strategies = group_runs(load(*folders))
    assert [(strategy.name, len(strategy.runs)) for strategy in strategies] == [("ppo", 2), ("random", 2)]


def test_settings_that_differ_name_groups_of_one_controller(write_run):
    folders = [
        write_run("a", "ppo", 0),
        write_run("b", "ppo", 0, controller__learning_rate=0.1),
        write_run("c", "ppo", 0, search__failure_reward=None),
    ]
    names = [strategy.name for strategy in group_runs(load(*folders))]
    assert names == [
        "ppo, learning_rate=0.01, search.failure_reward=0.0",
        "ppo, learning_rate=0.01, search.failure_reward=null",
        "ppo, learning_rate=0.1, search.failure_reward=0.0",
    ]


def test_settings_that_came_later_count_at_their_defaults(write_run):
    older = write_run("older", "ppo", 0)
    newer = write_run("newer", "random", 0, recipe__mixup=0.0, data__on_disk=False)
    document = yaml.safe_load((newer / "config.yaml").read_text())
    (newer / "config.yaml").write_text(yaml.safe_dump({**document, "evaluator": {"name": "train_and_validate"}}))
    assert objections(load(older, newer)) == []
    other = write_run("other", "random", 1, recipe__mixup=0.2)
    (objection,) = objections(load(older, other))
    assert objection.startswith("recipe.mixup is 0.0 in ")


def test_who_watches_a_run_changes_no_measurement(write_run):
    watched = write_run("watched", "random", 0)
    document = yaml.safe_load((watched / "config.yaml").read_text())
    document["trackers"] = {"tensorboard": True}
    document["workers"]["runtime_env"] = {"pip": ["something"]}
    (watched / "config.yaml").write_text(yaml.safe_dump(document))
    assert objections(load(write_run("plain", "ppo", 0), watched)) == []
