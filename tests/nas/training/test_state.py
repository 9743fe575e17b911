import os
import shutil

import pytest
import torch
from torch import nn

from nas.files.storage import StorageError
from nas.training import state as module
from nas.training.state import (
    TrainingState,
    check_room,
    load_optimizer,
    optimizer_tensors,
    prefixed,
    read_state,
    remove_unfinished,
    resume_state,
    without_prefix,
    write_state,
)

STATE = TrainingState({"network.weight": torch.arange(3.0)}, {"num_epochs": 2, "losses": [0.1 + 0.2]})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


def test_a_state_comes_back_to_the_last_bit(path):
    assert read_state(path) is None
    write_state(path, STATE)
    back = read_state(path)
    assert torch.equal(back.tensors["network.weight"], STATE.tensors["network.weight"])
    assert back.values == STATE.values


@pytest.mark.parametrize("content", [b"", b"half a header", b"\x10\0\0\0\0\0\0\0{"])
def test_what_is_no_state_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a safetensors file that can be read"):
        read_state(path)


def test_another_safetensors_file_is_refused(path):
    module.write_tensors(path, {"a": torch.zeros(1)}, {"format": "other"})
    with pytest.raises(ValueError, match="must be a nas-engine training state 1, got 'other'"):
        read_state(path)


def test_too_little_room_is_said_in_one_line_and_the_former_state_stays(path, monkeypatch):
    write_state(path, STATE)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.files.atomic_write.os.fsync", refuse)
    with pytest.raises(
        StorageError, match=r"No space left on device.+\(a checkpoint of 0.0 MB; the previous one is kept\)"
    ):
        write_state(path, TrainingState({"network.weight": torch.zeros(3)}, {}))
    assert read_state(path).values == STATE.values


def test_what_a_killed_process_left_is_never_read_and_is_removed(path):
    write_state(path, STATE)
    left = path.with_name(f".{path.name}.{os.getpid() + 1}")
    left.write_bytes(b"half")
    assert read_state(path).values == STATE.values
    remove_unfinished(path.parent, path.name)
    assert not left.exists()
    assert path.exists()


@pytest.mark.parametrize("metadata", [{}, {"state": "{"}, {"state": "[1]"}, {"state": '{"records": 3}'}])
def test_damaged_metadata_are_named(path, metadata):
    module.write_tensors(path, {"a": torch.zeros(1)}, {"format": module.FORMAT, **metadata})
    with pytest.raises(ValueError, match=r"the metadata of .+state.safetensors .+remove (it|the file) to train anew"):
        read_state(path)


def test_names_get_and_lose_their_beginning():
    tensors = {"a.b": torch.zeros(1)}
    assert prefixed("network", tensors).keys() == {"network.a.b"}
    assert without_prefix("network", {**prefixed("network", tensors), "other.a": torch.zeros(1)}).keys() == {"a.b"}


def test_what_an_optimizer_keeps_comes_back_in_the_layout_of_its_parameters():
    def make():
        layer = nn.Conv2d(2, 3, 2).to(memory_format=torch.channels_last)
        return layer, torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, fused=True)

    layer, optimizer = make()
    layer(torch.rand(1, 2, 4, 4).to(memory_format=torch.channels_last)).sum().backward()
    optimizer.step()
    kept = {name: tensor.contiguous() for name, tensor in optimizer_tensors(optimizer).items()}
    assert kept.keys() == {"0.momentum_buffer", "1.momentum_buffer"}
    other, fresh = make()
    load_optimizer(fresh, kept)
    buffer = fresh.state[other.weight]["momentum_buffer"]
    assert torch.equal(buffer, kept["0.momentum_buffer"])
    assert buffer.is_contiguous(memory_format=torch.channels_last)


def test_room_is_needed_for_two_checkpoints(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000))
    check_room(tmp_path, 1_000_000)
    with pytest.raises(RuntimeError, match=r"need 2.2 MB, 2.0 MB are free; free disk space or choose another folder"):
        check_room(tmp_path, 1_100_000)


def test_a_training_resumes_its_own_state_only(path):
    assert resume_state(path, ["a"]) is None
    write_state(path, TrainingState({}, {"plan": "a"}))
    left = path.with_name(f".{path.name}.123")
    left.touch()
    assert resume_state(path, ["b", "a"]).values == {"plan": "a"}
    assert not left.exists()
    with pytest.raises(ValueError, match=r"state\.safetensors is the checkpoint of another training"):
        resume_state(path, ["b"])


def test_a_training_on_other_images_is_resumed_if_that_is_accepted(path):
    write_state(path, TrainingState({}, {"plan": "a", "plan_without_images": "same"}))
    assert resume_state(path, ["b"], but_images="same").values["plan"] == "a"
    for accepted in (None, "other"):
        with pytest.raises(ValueError, match="checkpoint of another training"):
            resume_state(path, ["b"], but_images=accepted)
