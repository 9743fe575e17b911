from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import numpy as np
import pytest

import nas
from nas import plugins


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Runs are written to a temporary folder; what a test plugs in does not outlive it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_objects", {})
    monkeypatch.setattr(plugins, "_own", set())


class Numbers:
    choices = (nas.Choice("depth", "depth", 5), nas.Choice("rate", "rate", 3))

    def decode(self, decisions):
        return {"depth": decisions[0] + 1, "rate": (0.1, 0.01, 0.001)[decisions[1]]}


@dataclass(frozen=True)
class Depths:
    highest: int = 3

    @property
    def choices(self):
        return (nas.Choice("depth", "depth", self.highest),)

    def decode(self, decisions):
        return {"depth": decisions[0]}


def depth(trial):
    return trial.architecture["depth"] / 10


def search(**given):
    return nas.run_search(**{"space": Numbers, "controller": "random", "evaluate": depth, "quiet": True, **given})


def test_a_float_is_the_accuracy_and_the_same_call_resumes():
    run = search(trials=6, out="run")
    assert repr(run) == "Run('run', 6 of 6 trials)"
    assert run.is_finished
    assert run.best.accuracy == run.best.architecture["depth"] / 10 == max(r.outcome.accuracy for r in run.trials)
    assert [r.trial.id for r in search(trials=8, out="run").trials] == [*range(8)]
    assert len(run.resume(trials=9, quiet=True).trials) == 9


@pytest.mark.parametrize("controller", ["ppo", "evolution", {"name": "random"}])
def test_any_controller_and_wrapper_searches_plain_data_which_is_a_mapping(controller):
    run = search(controller=controller, evaluate=lambda trial: sum(dict(**trial.architecture).values()) / 10, trials=12)
    assert not [record for record in run.trials if not isinstance(record.outcome, nas.Success)]
    assert set(run.frame().columns) >= {"value.depth", "value.rate"}


def test_ctrl_c_ends_a_script_and_the_same_call_resumes():
    def interrupted(trial):
        if trial.id == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.5

    with pytest.raises(KeyboardInterrupt):
        search(evaluate=interrupted, trials=6, out="run")
    assert 3 <= len(nas.load_run("run").trials) < 6
    assert search(evaluate=interrupted, trials=6, out="run").is_finished


def test_the_result_of_plain_data_has_no_size_and_is_not_to_be_exported(capsys):
    run = search(trials=3, out="run", quiet=False)
    said = capsys.readouterr().out
    assert "try: nas status run" in said
    assert "parameters" not in said
    assert "nas export" not in said
    assert repr(run.best) == f"Found('run@1', trial {run.best.trial_id}, accuracy {run.best.accuracy:.2%})"
    with pytest.raises(ValueError, match=r"run holds no weights of trial \d+$"):
        run.best.load()


def test_an_exception_is_a_failure_and_the_search_continues():
    run = search(evaluate=lambda trial: 1 / (trial.id % 2), trials=4, out="run")
    assert [type(record.outcome).__name__ for record in run.trials] == ["Failure", "Success"] * 2
    frame = run.frame()
    assert frame["failure"].tolist()[::2] == ["error", "error"]
    assert "ZeroDivisionError" in frame["error"][0]


def test_a_frame_has_a_row_for_each_trial():
    frame = search(trials=5, out="run", reward=lambda success: success.accuracy - 1).frame()
    assert frame["trial"].tolist() == [0, 1, 2, 3, 4]
    assert frame["accuracy"].tolist() == (frame["value.depth"] / 10).tolist()
    assert frame["reward"].tolist() == (frame["accuracy"] - 1).tolist()


def test_functions_without_names_do_not_replace_one_another():
    run = search(evaluate=lambda trial: 0.25, reward=lambda success: success.accuracy + 3, trials=1, out="run")
    assert (run.frame()["accuracy"][0], run.frame()["reward"][0]) == (0.25, 3.25)


def test_settings_of_a_space_are_recorded_and_bind_the_folder():
    run = search(space=Depths(4), trials=3, out="run")
    assert run.config["space"] == {"name": f"{__name__}:Depths", "highest": 4}
    with pytest.raises(ValueError, match=r"space\.highest: 4 in the folder, 2 requested"):
        search(space=Depths(2), trials=3, out="run")


def test_objects_of_this_project_are_recorded_by_name():
    run = search(
        space=nas.CellSpace(ops=("identity", "conv_1x1"), num_blocks=1, norms=("bn",)),
        controller=nas.EvolutionSettings(population_size=3, tournament_size=2),
        evaluate=lambda trial: 0.5,
        reward=nas.CostedAccuracy(target_multiply_adds=1e6, exponent=-0.1),
        network={"num_filters": 4, "num_repeats": 1},
        trials=2,
        out="run",
    )
    config = run.config
    assert config["space"]["name"] == "nasnet"
    assert config["space"]["ops"] == ["identity", "conv_1x1"]
    assert config["controller"] == {"name": "evolution", "population_size": 3, "tournament_size": 2}
    assert config["reward"] == {"name": "costed_accuracy", "target_multiply_adds": 1e6, "exponent": -0.1}
    assert run.best.outcome.num_parameters > 0
    assert "<svg" in run.best._repr_svg_()
    assert run.draw().save("cells.svg").is_file()
    assert run.export()[0].read_text().startswith('"""')
    assert "trial" in run._repr_html_()
    assert run.best.build(num_classes=7)(__import__("torch").zeros(1, 3, 32, 32)).shape == (1, 7)


def test_images_are_loaded_only_for_an_evaluator_that_takes_them():
    seen = []

    def load(spec):
        seen.append(spec.name)
        images = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), dtype=np.uint8)
        return nas.data_set(images, np.arange(40) % 2)

    def take(trial, *, data):
        return len(data.validation) / 100

    search(data=load, trials=1, out="without")
    assert seen == []
    run = search(evaluate=take, data=load, trials=1, out="with")
    assert len(seen) == 1
    assert run.best.accuracy == 0.1
    assert run.config["network"]["num_classes"] == 2


def test_a_run_is_bound_to_the_images_of_a_data_set():
    images, labels = np.zeros((40, 8, 8), dtype=np.uint8), np.arange(40) % 2
    search(data=nas.data_set(images, labels), trials=1, out="run")
    search(data=nas.data_set(images, labels), trials=1, out="run")
    with pytest.raises(ValueError, match=r"data\.name: .*DataSet:sha256_"):
        search(data=nas.data_set(images + 1, labels), trials=1, out="run")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"evaluate": 3}, "an evaluator must be a function of a trial, got 3"),
        ({"evaluate": lambda: 0.5}, "an evaluator must take a trial as its first argument"),
        ({"evaluate": lambda trial, images: 0.5}, "an evaluator may require trial, data, .* and settings, got images"),
        ({"space": object}, "a search space must have choices and decode, got object"),
        ({"controller": lambda choices: None}, "a controller must take the keyword argument seed"),
        ({"controller": "pop"}, "unknown controller 'pop'; did you mean ppo"),
        ({"trials": None}, "search.num_trials"),
        ({"pool": "threads"}, "workers.pool"),
        ({"data": 3}, "data must be a DataSet, a function that loads one, a name or a folder, got 3"),
        ({"settings": {"search.nothing": 1}}, "nothing"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_folder_is_made(given, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        search(**{"trials": 2, "out": "run", **given})
    assert not (tmp_path / "run").exists()


def test_a_space_is_tried_before_the_first_trial():
    class Broken(Numbers):
        def decode(self, decisions):
            return {"made of": object()}

    with pytest.raises(ValueError, match="must be plain data that JSON can hold"):
        search(space=Broken, trials=1, out="run")


def test_a_controller_object_starts_anew_in_each_session():
    controller = nas.RandomSearch(Numbers.choices, seed=3)
    first = search(controller=controller, trials=2, out="run").trials
    assert search(controller=controller, trials=2, out="other").trials[0].trial == first[0].trial


@pytest.mark.slow
def test_functions_of_a_notebook_reach_ray_workers(ray_cluster, monkeypatch):
    def gate(site):
        return nas.OPERATIONS["conv_1x1"].build(site)

    monkeypatch.setattr(gate, "__module__", "__main__")
    space = nas.CellSpace(ops=("identity", nas.plug_in(gate)), num_blocks=1, norms=("bn",))

    def evaluate(trial):
        return 1 / nas.build_network(trial.architecture, num_filters=4, num_repeats=1).spec.num_filters

    run = search(space=space, evaluate=evaluate, trials=3, pool="ray", workers=2, out="run")
    assert [record.outcome.accuracy for record in run.trials] == [0.25] * 3


@pytest.mark.slow
def test_what_cannot_be_sent_to_workers_is_named(ray_cluster):
    lock = __import__("threading").Lock()
    with pytest.raises(ValueError, match="the evaluator or its arguments cannot be sent to workers"):
        search(evaluate=lambda trial: float(lock.locked()), trials=1, pool="ray", out="run")


def test_a_front_is_sought_and_read():
    def cost(trial):
        depth, rate = trial.architecture["depth"], trial.architecture["rate"]
        return nas.Success(trial.id, depth / 10, metrics={"size": depth**2 * rate, "rate": rate})

    every = {"trials": 15, "settings": {"wrapper.name": "fresh"}}
    run = search(evaluate=cost, **every, out="run", objectives=["accuracy", "size:min"])
    assert [(found.rank, found.accuracy, found.number("size:min")) for found in run.front()] == [
        (rank, (6 - rank) / 10, (6 - rank) ** 2 * 0.001) for rank in range(1, 6)
    ]
    assert run.knee().accuracy == 0.3
    (best,) = run.front(["accuracy", "rate:max"])
    assert (best.rank, best.architecture.value) == (1, {"depth": 5, "rate": 0.1})
    with pytest.raises(ValueError, match="needs the metric latency_ms, which trial"):
        run.front(["accuracy", "latency"])


def test_objectives_are_names_objects_or_settings():
    def one(trial):
        return nas.Success(trial.id, 0.5, metrics={"size": 1.0})

    for given in (nas.Objectives.of(["accuracy", "size:min"]), {"names": ["accuracy", "size:min"]}):
        run = search(evaluate=one, trials=1, objectives=given, out=f"run-{type(given).__name__}")
        assert run.config["objectives"]["names"] == ["accuracy", "size:min"]
    with pytest.raises(ValueError, match="objectives must be names, Objectives, or a mapping of settings, got 'accu"):
        search(objectives="accuracy,latency", out="run")
