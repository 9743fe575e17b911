"""A dense training in a folder: what it writes, how it goes on, what it refuses."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nas.downstream.backbone import weights_digest
from nas.downstream.recipe import RUN_SETTINGS, DenseRecipe
from nas.downstream.run import DenseTask, DenseWatch, run_dense, training_fingerprint
from nas.later_settings import plain
from nas.training.state import TrainingState, read_state, write_state

_SPEC = importlib.util.spec_from_file_location("toy", Path(__file__).with_name("test_training.py"))
toy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(toy)
RECIPE = dataclasses.replace(toy.RECIPE, evaluation_iterations=6)
CHANGES = {
    "device": "cpu",
    "num_threads": 3,
    "record_iterations": 10,
    "checkpoint_iterations": 20,
    "evaluation_iterations": 20,
}


class KilledError(BaseException):
    """What stands for kill -9."""


def make_task(network=None):
    network = network or toy.make_network()

    def evaluate(given):
        assert given is network
        assert not given.training
        assert not torch.is_grad_enabled()
        torch.rand(3)  # what an evaluation draws must not matter
        return {"weight": float(given.layers[0].weight.sum())}

    def save(out):
        (out / "saved.json").write_text(json.dumps({"weight": float(network.layers[0].weight.detach().sum())}))

    return DenseTask(("toy", "former"), network, toy.Noise(), evaluate, save, {"classes": ["a"]})


def run(out, *, seed=1, watch=None):
    out.mkdir(exist_ok=True)
    return run_dense(make_task(), RECIPE, out, seed=seed, watch=watch or DenseWatch())


def kill_after(number):
    def after_record(records):
        if len(records) == number:
            raise KilledError

    return DenseWatch(after_record=after_record)


def test_all_files_are_written_and_agree(tmp_path):
    done, seen = [], []
    result = run(tmp_path, watch=DenseWatch(done.append, lambda records: seen.append(len(records))))
    assert done == list(range(1, 11))
    assert seen == [0, 1, 2, 3, 4]
    assert json.loads((tmp_path / "result.json").read_text()) == result
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["iteration"] for record in records] == [3, 6, 9, 10]
    assert [("evaluation" in record) for record in records] == [False, True, False, True]
    assert result["evaluation"] == records[-1]["evaluation"] == json.loads((tmp_path / "saved.json").read_text())
    assert (result["num_iterations"], result["num_workers"], result["device"], result["seed"]) == (10, 1, "cpu", 1)
    assert result["num_parameters"] == sum(each.numel() for each in toy.make_network().parameters())
    assert result["classes"] == ["a"]


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_training_that_was_killed_ends_with_the_same_weights(tmp_path, number):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    expected = run(alone)
    with pytest.raises(KilledError):
        run(killed, watch=kill_after(number))
    result = run(killed)
    assert result["evaluation"] == expected["evaluation"]
    ours, theirs = (load_file(folder / "state.safetensors") for folder in (alone, killed))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert len((killed / "metrics.jsonl").read_text().splitlines()) == 4


def test_the_checkpoint_of_another_training_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match=r"state.safetensors is the checkpoint of another training"):
        run(tmp_path, seed=2)


def test_a_checkpoint_with_a_former_fingerprint_is_resumed_and_renewed(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, watch=kill_after(2))
    state = read_state(tmp_path / "state.safetensors")
    assert state.values["plan"] == "toy-1"
    write_state(tmp_path / "state.safetensors", TrainingState(state.tensors, {**state.values, "plan": "former-1"}))
    seen = []
    run(tmp_path, watch=DenseWatch(after_record=lambda records: seen.append(len(records))))
    assert seen == [2, 3, 4]
    assert read_state(tmp_path / "state.safetensors").values["plan"] == "toy-1"


def test_no_room_for_checkpoints_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(RuntimeError, match="free disk space or choose another folder"):
        run(tmp_path)


def test_how_a_training_is_run_makes_no_difference():
    assert set(CHANGES) == set(RUN_SETTINGS)
    same = training_fingerprint({"a": 1}, dataclasses.replace(DenseRecipe(), **CHANGES), None)
    assert training_fingerprint({"a": 1}, DenseRecipe(), None) == same
    assert training_fingerprint({"a": 2}, DenseRecipe(), None) != same
    assert training_fingerprint({"a": 1}, dataclasses.replace(DenseRecipe(), flip=False), None) != same


def test_weights_count_by_content(tmp_path):
    for name, value in (("a", 0.0), ("b", 0.0), ("c", 1.0)):
        (tmp_path / name).mkdir()
        save_file({"w": torch.full((2,), value)}, tmp_path / name / "network.safetensors")
    first, moved, other = (training_fingerprint({}, DenseRecipe(), str(tmp_path / name)) for name in "abc")
    assert first == moved != other
    assert first != training_fingerprint({}, DenseRecipe(), None)
    assert weights_digest(str(tmp_path / "a")) == weights_digest(str(tmp_path / "a" / "network.safetensors"))


def test_settings_are_plain_data():
    assert plain(DenseRecipe())["scales"] == [800]
