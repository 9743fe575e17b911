import json
import os

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.edge_cell import EdgeCell
from nas.fidelity import NetworkSpec
from nas.files.storage import StorageError
from nas.models.checkpoint import FORMAT, load_checkpoint, read_tensors, save_checkpoint
from nas.models.edge_network import EdgeNetwork
from nas.models.network import build_network

CELL = Cell((Block(Edge(0, "conv_1x1"), Edge(1, "sep_conv_3x3"), "concat", "ibn"),))
SPEC = NetworkSpec(num_classes=2, image_size=8, num_filters=4, num_repeats=1, num_stages=1, auxiliary=True)


@pytest.fixture
def data():
    split = Split(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]))
    return DataSet(split, split, lambda: split, ("cat", "dög"), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture
def network():
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = build_network(Architecture(CELL, CELL), SPEC)
        network(torch.rand(4, 3, 8, 8))  # moves the running statistics
    return network.to(memory_format=torch.channels_last).eval()


@pytest.fixture
def path(tmp_path, network, data):
    path = tmp_path / "weights" / "trial-3.safetensors"
    save_checkpoint(path, network, data=data, accuracy=0.75)
    return path


def rewrite(path, change=None, drop_tensors=0, **metadata):
    """Writes the file again with other metadata (None: without) or with fewer tensors."""
    with safe_open(path, framework="pt") as file:
        merged = {**file.metadata(), **metadata}
    tensors = dict(list(load_file(path).items())[drop_tensors:])
    save_file(tensors, path, {name: text for name, text in merged.items() if text is not None})


def test_a_network_comes_back_as_it_was(path, network):
    state = torch.get_rng_state()
    checkpoint = load_checkpoint(path)
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    saved, loaded = network.state_dict(), checkpoint.network.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)
    torch.testing.assert_close(checkpoint.network(images), network(images))
    assert not checkpoint.network.training
    assert checkpoint.network.architecture == network.architecture
    assert checkpoint.network.spec == SPEC
    assert (checkpoint.mean, checkpoint.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (checkpoint.class_names, checkpoint.accuracy) == (("cat", "dög"), 0.75)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_of_cells_with_operations_on_edges_comes_back(tmp_path, data):
    network = EdgeNetwork(EdgeCell(("nor_conv_3x3",)), NetworkSpec(2, 8, num_filters=4, num_repeats=1)).eval()
    save_checkpoint(tmp_path / "edges.safetensors", network, data=data, accuracy=0.5)
    loaded = load_checkpoint(tmp_path / "edges.safetensors").network
    assert loaded.architecture == network.architecture
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(loaded(images), network(images))


def test_the_file_alone_says_all_that_is_needed(path):
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert Architecture.from_json(json.loads(metadata["architecture"])).normal == CELL
    assert json.loads(metadata["network"])["num_filters"] == 4
    assert json.loads(metadata["mean"]) == [0.1, 0.2, 0.3]
    assert json.loads(metadata["class_names"]) == ["cat", "dög"]
    assert json.loads(metadata["image_size"]) == 8


def test_a_file_is_replaced_at_once_or_not_at_all(path, network, data, monkeypatch):
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.files.atomic_write.os.fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        save_checkpoint(path, network, data=data, accuracy=0.5)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


def test_saving_again_replaces_the_file(path, network, data):
    save_checkpoint(path, network, data=data, accuracy=0.5)
    assert load_checkpoint(path).accuracy == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": None}, "must be a nas-engine checkpoint 1, got 'no format'"),
        ({"format": "other"}, "got 'other'"),
        ({"architecture": None}, "must have 'architecture'"),
        ({"architecture": "{}"}, "that can be rebuilt: an architecture must have normal, reduction"),
        ({"architecture": "{"}, "that can be rebuilt"),
        ({"network": '{"num_filters": 3}'}, "num_filters must be divisible by 2"),
        ({"network": '{"speed": 3}'}, "[Uu]nexpected"),
        ({"network": '{"num_filters": 8}'}, "weights do not fit its architecture"),
        ({"drop_tensors": 8}, "weights do not fit its architecture"),
        ({"accuracy": "NaN"}, "must be finite, got NaN"),
        ({"mean": "null"}, "that can be rebuilt"),
        ({"mean": "[0.5]"}, "mean must have 3 numbers, one for each channel"),
        ({"std": "[0.5, 0, 0.5]"}, "std must be finite and above 0"),
        ({"class_names": '"ab"'}, "class_names must be a list of at most 2 names, got 'ab'"),
        ({"class_names": '["cat", "dog", "ox"]'}, "class_names must be a list of at most 2 names"),
    ],
)
def test_a_file_that_is_not_in_order_is_refused_by_name(path, change, message):
    rewrite(path, **change)
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_operations_are_named(path):
    cells = json.loads(json.dumps(Architecture(CELL, CELL).to_json()).replace("sep_conv_3x3", "warp"))
    rewrite(path, architecture=json.dumps(cells))
    with pytest.raises(ValueError, match="got 'warp'"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [None, b"", b"no tensors at all", b"\xff" * 100])
def test_a_file_that_is_missing_or_something_else_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"there is no checkpoint|is not a safetensors file"):
        load_checkpoint(path)


def test_a_truncated_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a safetensors file that can be read"):
        load_checkpoint(path)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_who_may_read_a_file_follows_the_umask(tmp_path, network, data, mask):
    before = os.umask(mask)
    try:
        save_checkpoint(tmp_path / "network.safetensors", network, data=data, accuracy=0.5)
    finally:
        os.umask(before)
    assert (tmp_path / "network.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask


def test_how_it_was_tested_comes_along(tmp_path, network, data):
    evaluation = {"crop": 8, "resize": None, "test": {"top1": 0.5, "top5": 1.0, "num_images": 2}}
    save_checkpoint(tmp_path / "a.safetensors", network, data=data, accuracy=0.5, evaluation=evaluation)
    assert load_checkpoint(tmp_path / "a.safetensors").evaluation == evaluation


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ([], "^$"),
        ([1], "evaluation must be an object"),
        ({"crop": "large"}, r"evaluation\.crop must be a whole number above 0, got 'large'"),
        ({"batch_size": 0}, r"evaluation\.batch_size must be"),
        ({"test": {"top1": 0.5}}, "must have 'top5'"),
        ({"precision": "double"}, r"evaluation\.precision must be that of a recipe"),
    ],
)
def test_what_is_said_of_the_test_is_read_with_suspicion(path, evaluation, message):
    rewrite(path, evaluation=json.dumps(evaluation))
    if not evaluation:
        assert load_checkpoint(path).evaluation == {}
        return
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_weights_that_are_not_finite_are_refused(path):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    name = next(iter(tensors))
    tensors[name] = tensors[name] * float("inf")
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match=f"must be finite, {name} is not"):
        load_checkpoint(path)


def test_loaded_tensors_are_aligned_as_kernels_like_them(path):
    """In the file they begin anywhere, and kernels may round differently for tensors that are not aligned."""
    _, tensors = read_tensors(path, FORMAT)
    assert all(tensor.data_ptr() % 64 == 0 for tensor in tensors.values() if tensor.numel())


def test_a_small_file_that_describes_a_huge_network_takes_no_memory(path):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    spec = json.loads(metadata["network"]) | {"num_filters": 100_000}  # 40 GB in a single 1 x 1 convolution
    names = load_file(path)
    for shape in ((0,), (0, 10**9)):
        save_file({name: torch.empty(shape) for name in names}, path, {**metadata, "network": json.dumps(spec)})
        with pytest.raises(ValueError, match="weights do not fit its architecture"):
            load_checkpoint(path)
    save_file({}, path, {**metadata, "network": json.dumps(spec)})
    with pytest.raises(ValueError, match="has more than 0 tensors"):
        load_checkpoint(path)
