"""Programs of every operation and every norm, at both strides, read back, run and compared."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from nas.architecture import Architecture, Block, Cell, Edge
from nas.export import programs
from nas.export.feeding import Feeding
from nas.export.programs import BATCH_SIZES, bare_network, write_features, write_onnx, write_program
from nas.fidelity import NetworkSpec
from nas.models.network import Network, build_network
from nas.models.normalization import NORMALIZATIONS, BatchNorm
from nas.models.operations import OPERATIONS

SPEC = NetworkSpec(
    num_classes=3, image_size=9, num_filters=4, num_repeats=1, num_stages=2, reduction_in_stage=True, auxiliary=True
)


def every_operation(norms: Sequence[str], *, reverse: bool = False) -> Architecture:
    """Cells in which each operation occurs once: half of them keep the size and half of them halve it.

    Blocks take the norms in turn. `reverse` exchanges the halves, so that each operation is seen at both strides.
    """
    ops = list(OPERATIONS)[:: -1 if reverse else 1]
    cells, norm = [], itertools.cycle(norms)
    for half in (ops[: len(ops) // 2], ops[len(ops) // 2 :]):
        pairs = zip(half[::2], [*half[1::2], half[0]], strict=False)
        blocks = (
            Block(Edge(index % 2, left), Edge(index + 1, right), ("add", "concat")[index % 2], next(norm))
            for index, (left, right) in enumerate(pairs)
        )
        cells.append(Cell(tuple(blocks)))
    assert {edge.op for cell in cells for block in cell.blocks for edge in block.edges} == set(OPERATIONS)
    return Architecture(*cells)


def make_network(architecture: Architecture) -> Network:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = build_network(architecture, SPEC)
        network.train()(torch.randn(8, 3, 9, 9))  # moves the running statistics
    return network


@pytest.fixture(scope="module", params=[False, True], ids=["", "reversed"])
def network(request: pytest.FixtureRequest) -> Network:
    norms = [norm for norm in NORMALIZATIONS if norm != "syncbn"]
    architecture = every_operation(norms, reverse=request.param)
    assert {block.norm for cell in (architecture.normal, architecture.reduction) for block in cell.blocks} == set(norms)
    return make_network(architecture)


@pytest.fixture
def small() -> Network:
    cell = Cell((Block(Edge(0, "conv_1x1"), Edge(1, "identity")),))
    return make_network(Architecture(cell, cell))


def expected_logits(network: Network, num_images: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(num_images, 3, 9, 9, generator=torch.Generator().manual_seed(num_images))
    with torch.no_grad():
        return images, bare_network(network)(images)


def test_a_bare_network_gives_the_same_logits(network: Network) -> None:
    images = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    bare = bare_network(network)
    with torch.no_grad():
        torch.testing.assert_close(bare(images), network.eval()(images))
    assert bare.auxiliary_head is None
    assert not bare.training


def test_synchronized_batch_norm_is_exported_as_batch_norm() -> None:
    """So what the programs of the one show holds for the other."""
    network = bare_network(make_network(every_operation(["syncbn"])))
    assert {type(module) for module in network.modules() if hasattr(module, "running_mean")} == {BatchNorm}


def test_a_program_gives_the_same_logits_for_batches_of_any_size(network: Network, tmp_path: Path) -> None:
    write_program(network, tmp_path / "new" / "model.pt2")
    program = torch.export.load(tmp_path / "new" / "model.pt2").module()
    for num_images in BATCH_SIZES:
        images, logits = expected_logits(network, num_images)
        torch.testing.assert_close(program(images), logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("network", [False], indirect=True, ids=[""])
def test_onnx_gives_the_same_logits_for_batches_of_any_size(network: Network, tmp_path: Path) -> None:
    """At one stride each: ONNX translates the operators of the program, which is compared at both."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    write_onnx(network, tmp_path / "model.onnx")
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    for num_images in BATCH_SIZES:
        images, logits = expected_logits(network, num_images)
        (came,) = session.run(["logits"], {"images": images.numpy()})
        torch.testing.assert_close(torch.from_numpy(came), logits, atol=1e-4, rtol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_missing_packages_are_named(small: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RuntimeError, match="ONNX needs the packages onnx, onnxscript and onnxruntime, got no onnx"):
        write_onnx(small, tmp_path / "model.onnx")


def test_a_program_that_differs_is_refused(small: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match=r"the logits of model.pt2 must agree with the network's"):
        write_program(small, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_the_stages_outputs_are_a_program_for_batches_of_any_size(small: Network, tmp_path: Path) -> None:
    write_features(small, tmp_path / "features.pt2")
    program = torch.export.load(tmp_path / "features.pt2").module()
    images = torch.randn(3, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    maps, expected = program(images), bare_network(small).features(images)
    assert len(maps) == SPEC.num_stages
    for came, wanted in zip(maps, expected, strict=True):
        torch.testing.assert_close(came, wanted, atol=1e-4, rtol=1e-4)


FEEDING = Feeding((0.5, 0.4, 0.3), (0.2, 0.3, 0.4), ("a", "b", "c"), resize=12, crop=9)


def test_an_onnx_model_carries_its_metadata_and_normalizes_if_asked(small: Network, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    write_onnx(small, tmp_path / "model.onnx", FEEDING, normalize=True)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata.items() >= FEEDING.to_metadata(inside=True).items()
    images = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (FEEDING.mean, FEEDING.std))
    (came,) = session.run(["logits"], {"images": images.numpy()})
    with torch.no_grad():
        expected = bare_network(small)((images - mean) / std)
    torch.testing.assert_close(torch.from_numpy(came), expected, atol=1e-4, rtol=1e-4)


def test_a_program_normalizes_if_asked(small: Network, tmp_path: Path) -> None:
    write_features(small, tmp_path / "features.pt2", FEEDING, normalize=True)
    maps = torch.export.load(tmp_path / "features.pt2").module()(torch.full((1, 3, 9, 9), 0.5))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (FEEDING.mean, FEEDING.std))
    with torch.no_grad():
        expected = bare_network(small).features((torch.full((1, 3, 9, 9), 0.5) - mean) / std)
    for came, wanted in zip(maps, expected, strict=True):
        torch.testing.assert_close(came, wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="needs the mean and standard deviation"):
        write_program(small, tmp_path / "model.pt2", normalize=True)
