"""Exported folders, run where nothing of this project can be imported, against the networks they were made of."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.export.folder import export_checkpoint, export_untrained
from nas.export.model_source import Labels, model_source
from nas.fidelity import NetworkSpec
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.models.network import Network, build_network
from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS
from nas.models.presets import PRESETS
from search_spaces.published import PUBLISHED

BATCH_SIZES = (1, 7)

ISOLATED = """
import importlib.util, sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"nas", "search_spaces", "controllers", "workers", "experiments", "pydantic"}:
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Blocked())
sys.path.append(sys.argv[1])
import torch
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
for folder in map(Path, sys.argv[3:]):
    spec = importlib.util.spec_from_file_location("model", folder / "model.py")
    model = sys.modules["model"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    network = model.load()
    results = {}
    with torch.no_grad():
        for name, images in load_file(sys.argv[2]).items():
            network.to(images.dtype)
            results[name] = network(model.normalize(images))
            for stage, features in enumerate(network.features(model.normalize(images))):
                results[f"{name}/{stage}"] = features.contiguous()
                assert features.shape[1] == model.FEATURE_CHANNELS[stage]
            maps = network.forward_features(model.normalize(images))
            assert maps.shape[:2] == (len(images), network.num_features)
            assert torch.equal(network.forward_head(maps), results[name])
            assert network.forward_head(maps, pre_logits=True).shape == (len(images), network.num_features)
    for num_classes in (5, 0):  # as in timm, 0 leaves the pooled features
        network.reset_classifier(num_classes)
        assert network(model.normalize(images)).shape == (len(images), num_classes or network.num_features)
        assert network.num_classes == num_classes
    save_file(results, folder / "results.safetensors")
assert not any(name.partition(".")[0] in {"nas", "ray", "matplotlib", "networkx"} for name in sys.modules)
"""


def run_isolated(images: Path, folders: list[Path]) -> None:
    """Runs exported models in a Python without site packages but for the folder that holds torch."""
    packages = sysconfig.get_paths()["purelib"]
    command = [sys.executable, "-I", "-S", "-c", ISOLATED, packages, str(images), *map(str, folders)]
    environment = {"PATH": os.environ.get("PATH", ""), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def small_data() -> DataSet:
    split = Split(np.zeros((2, 3, 9, 9), np.uint8), np.array([0, 1]))
    return DataSet(split, split, lambda: split, ("cat", 'd\u00f6g "\U0001f600"\n'), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def make_network(architecture: Architecture, spec: NetworkSpec | None = None) -> Network:
    """A network whose norms are not what they are at first."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = build_network(architecture, spec or SPEC)
        for module in network.modules():
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensor = getattr(module, name, None)
                if isinstance(tensor, torch.Tensor) and not isinstance(module, nn.Conv2d | nn.Linear):
                    tensor.data.uniform_(0.5, 1.5)
    return network.eval()


def write_model(folder: Path, network: Network) -> None:
    """What `export_checkpoint` writes, but for what takes time and is not run."""
    data = small_data()
    labels = Labels(data.mean, data.std, data.class_names)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(model_source(network.architecture, network.spec, labels=labels))
    tensors = {key: value for key, value in network.state_dict().items() if not key.startswith("auxiliary")}
    save_file(tensors, folder / "weights.safetensors")


def every_norm(op: str) -> Architecture:
    """Cells that give out one block for each norm, in which the operation reads inputs, sums and concatenations."""
    blocks = tuple(
        Block(Edge(index % 2, op), Edge(index + 1, op), "concat" if index % 2 else "add", norm)
        for index, norm in enumerate(NORMALIZATIONS)
    )
    cell = Cell(blocks, concat=tuple(range(2, len(blocks) + 2)))
    return Architecture(cell, cell)


STAGES = NetworkSpec(num_classes=2, image_size=9, num_filters=8, num_repeats=1, num_stages=2, reduction_in_stage=True)
"""Two cells: the first stage gives out what a normal cell made, the second what a reduction cell made."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In float64: two processes may take other kernels, and norms of nearly constant maps amplify their rounding."""
    path = tmp_path_factory.mktemp("images") / "images.safetensors"
    generator = torch.Generator().manual_seed(0)
    save_file({str(size): torch.rand(size, 3, 9, 9, generator=generator).double() for size in BATCH_SIZES}, path)
    return path


def expected_results(network: Network, images: Path) -> dict[str, torch.Tensor]:
    results = {}
    data = small_data()
    with torch.no_grad():
        for name, batch in load_file(images).items():
            mean, std = (torch.tensor(values, dtype=batch.dtype).view(-1, 1, 1) for values in (data.mean, data.std))
            network.to(batch.dtype)
            results[name] = network((batch - mean) / std)
            for stage, features in enumerate(network.features((batch - mean) / std)):
                results[f"{name}/{stage}"] = features
    return results


@pytest.fixture(scope="module")
def operations(
    tmp_path_factory: pytest.TempPathFactory, images: Path
) -> dict[str, tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]]:
    """For each operation what the exported model gave, in a process that knows torch only, and what it should give."""
    root = tmp_path_factory.mktemp("operations")
    expected = {}
    for op in OPERATIONS:
        network = make_network(every_norm(op), STAGES)
        write_model(root / op, network)
        expected[op] = expected_results(network, images)
    run_isolated(images, [root / op for op in OPERATIONS])
    return {op: (load_file(root / op / "results.safetensors"), expected[op]) for op in OPERATIONS}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("norm", NORMALIZATIONS)
@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_and_norm_gives_what_the_network_gives(operations, op: str, norm: str, stride: int) -> None:
    results, expected = operations[op]
    index = list(NORMALIZATIONS).index(norm)
    widths = [8 * stride * (2 if number % 2 else 1) for number in range(len(NORMALIZATIONS))]
    part = slice(sum(widths[:index]), sum(widths[: index + 1]))
    for size in BATCH_SIZES:
        key = f"{size}/{stride - 1}"
        assert expected[key].shape == (size, sum(widths), (9, 5)[stride - 1], (9, 5)[stride - 1])
        torch.testing.assert_close(results[key][:, part], expected[key][:, part], atol=1e-8, rtol=1e-8)
        torch.testing.assert_close(results[str(size)], expected[str(size)], atol=1e-8, rtol=1e-8)
        assert expected[key][:, part].std() > 1e-3  # not all alike, or equality would say nothing


SPEC = NetworkSpec(
    num_classes=2, image_size=9, num_filters=8, num_repeats=1, num_stages=2, auxiliary=True, drop_path=0.2, dropout=0.1
)
STACKS = (
    SPEC,
    NetworkSpec(num_classes=2, num_filters=8, num_repeats=2, num_stages=1, norm_epsilon=1e-3),
    NetworkSpec(num_classes=2, num_filters=16, num_repeats=1, stem="imagenet", stem_filters=6, num_stem_cells=2),
    NetworkSpec(num_classes=2, num_filters=8, num_repeats=2, skip_reduction_input=True, instance_ratio=0.25),
    NetworkSpec(num_classes=2, num_filters=8, num_repeats=2, reduction_in_stage=True),
    NetworkSpec(num_classes=2, num_filters=8, num_repeats=1, average_counts_padding=True),
)


def with_norm(cell: Cell, norm: str) -> Cell:
    return Cell(tuple(Block(block.left, block.right, block.combine, norm) for block in cell.blocks), cell.concat)


def test_every_stack_gives_what_the_network_gives(tmp_path: Path, images: Path) -> None:
    """Published cells in all kinds of stacks, and cells whose norms change with depth.

    In double precision, since instance norms of small maps multiply rounding errors from cell to cell.
    """
    networks = [make_network(PUBLISHED[name], spec) for name, spec in zip(PUBLISHED, STACKS, strict=True)]
    networks.append(make_network(PUBLISHED["amoebanet-c"], STACKS[2]))
    networks.append(make_network(PUBLISHED["amoebanet-c"], replace(STACKS[2], num_filters=4)))
    for stages, norm in itertools.product((0, 1, 2), ("ibn_a", "ibn_b")):
        cells = [with_norm(PUBLISHED["nasnet-a"].normal, norm), with_norm(PUBLISHED["amoebanet-a"].reduction, norm)]
        networks.append(make_network(Architecture(*cells, appearance_stages=stages)))
    folders = [tmp_path / str(index) for index in range(len(networks))]
    for folder, network in zip(folders, networks, strict=True):
        write_model(folder, network)
    run_isolated(images, folders)
    for folder, network in zip(folders, networks, strict=True):
        results = load_file(folder / "results.safetensors")
        expected = expected_results(network, images)
        assert results.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(results[key], value, atol=1e-8, rtol=1e-8)
            assert value.std() > 1e-3


PAIR = Architecture(
    Cell((Block(Edge(0, "sep_conv_3x3"), Edge(1, "identity"), "concat", "ibn"),)),
    Cell((Block(Edge(0, "sep_conv_3x3"), Edge(1, "sep_conv_3x3")),)),
)


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        network = make_network(PAIR)
        save_checkpoint(tmp_path / "trained.safetensors", network, data=small_data(), accuracy=0.75)
        export_checkpoint(tmp_path / "trained.safetensors", tmp_path / "out", name="run@3")
        return tmp_path / "out"

    def test_it_holds_code_weights_description_and_card(self, folder: Path) -> None:
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["README.md", "architecture.json", "model.py", "weights.safetensors"]
        value = json.loads((folder / "architecture.json").read_text())
        assert Architecture.from_json(value) == PAIR
        card = (folder / "README.md").read_text()
        assert "# run@3" in card
        assert "75.00%" in card

    def test_the_weights_are_a_checkpoint_without_what_only_training_needs(self, folder: Path) -> None:
        checkpoint = load_checkpoint(folder / "weights.safetensors")
        assert not checkpoint.network.spec.auxiliary
        assert checkpoint.network.spec.drop_path == 0
        assert checkpoint.accuracy == 0.75
        assert not any(name.startswith("auxiliary") for name in load_file(folder / "weights.safetensors"))

    def test_the_code_is_plain(self, folder: Path) -> None:
        text = (folder / "model.py").read_text()
        tree = ast.parse(text)
        imported = {
            (node.module or "").partition(".")[0]
            if isinstance(node, ast.ImportFrom)
            else node.names[0].name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert imported - set(sys.stdlib_module_names) == {"torch", "safetensors"}
        assert not re.search(r"\b(exec|(?<!\.)eval|pickle|noqa|__import__)\b", text)

    def test_only_what_is_used_is_there(self, folder: Path) -> None:
        names = {node.name for node in ast.walk(ast.parse((folder / "model.py").read_text())) if hasattr(node, "name")}
        assert {"NormalCell", "ReductionCell", "Network", "separable_convolution", "InstanceBatchNorm"} <= names
        assert not {"dilated_convolution", "pool", "group_norm", "AuxiliaryHead", "ScheduledDropPath"} & names

    def test_labels_are_texts_whatever_they_hold(self, folder: Path) -> None:
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse((folder / "model.py").read_text()).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and not isinstance(node.value, ast.Call)
        }
        assert values["CLASS_NAMES"] == small_data().class_names
        assert values["MEAN"] == (0.1, 0.2, 0.3)
        assert values["IMAGE_SIZE"] == 9

    def test_ruff_finds_nothing_to_format_or_to_mend(self, folder: Path) -> None:
        for command in (["format", "--check"], ["check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length=120", folder / "model.py"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout

    def test_exporting_again_replaces(self, folder: Path, tmp_path: Path) -> None:
        before = (folder / "model.py").read_bytes()
        export_checkpoint(tmp_path / "trained.safetensors", folder, name="run@3")
        assert (folder / "model.py").read_bytes() == before
        assert len(list(folder.iterdir())) == 4


class TestUntrained:
    def test_there_are_no_weights_and_no_labels(self, tmp_path: Path) -> None:
        files = export_untrained(PUBLISHED["nasnet-a"], PRESETS["cifar10"], tmp_path, name="nasnet-a")
        assert [path.name for path in files] == ["model.py", "architecture.json", "README.md", "network.json"]
        text = (tmp_path / "model.py").read_text()
        assert "3,346,538 parameters" in text
        assert "MEAN" not in text
        assert "untrained" in (tmp_path / "README.md").read_text()
        assert "544,3" in (tmp_path / "README.md").read_text()

    def test_weights_of_another_network_are_not_left_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "weights.safetensors").write_bytes(b"")
        with pytest.raises(ValueError, match=r"holds weights\.safetensors of another network"):
            export_untrained(PUBLISHED["nasnet-a"], PRESETS["cifar10"], tmp_path)

    def test_unknown_operations_are_refused(self, tmp_path: Path) -> None:
        cell = Cell((Block(Edge(0, "no_such_op"), Edge(1, "identity")),))
        with pytest.raises(ValueError, match="no_such_op"):
            export_untrained(Architecture(cell, cell), SPEC, tmp_path)
        assert not list(tmp_path.iterdir())

    def test_a_missing_checkpoint_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="there is no checkpoint"):
            export_checkpoint(tmp_path / "none.safetensors", tmp_path / "out")
