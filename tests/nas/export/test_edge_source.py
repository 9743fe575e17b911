"""Source of networks of cells with operations on edges, against the networks that it was made of."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from nas.edge_cell import EdgeCell
from nas.export.edge_source import edge_classes, edge_constants
from nas.export.model_source import Labels, model_source
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.edge_network import EDGE_OPERATIONS, EdgeNetwork

EVERY_OP = EdgeCell.from_arch("|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|")
WITHOUT_EDGES = EdgeCell(("none",) * 6)
CHAIN = EdgeCell.from_arch("|skip_connect~0|+|none~0|avg_pool_3x3~1|+|none~0|skip_connect~1|nor_conv_1x1~2|")
SPEC = NetworkSpec(num_filters=4, num_repeats=2, num_stages=3, image_size=9, num_classes=5)


def load(text: str, path: Path) -> ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cell_of_the_comparison_has_every_operation():
    assert set(EVERY_OP.ops) == set(EDGE_OPERATIONS)


@pytest.mark.parametrize(("cell", "norm"), [(EVERY_OP, "bn"), (EVERY_OP, "gn"), (WITHOUT_EDGES, "bn"), (CHAIN, "bn")])
def test_exported_code_computes_what_the_network_does(cell, norm, tmp_path):
    torch.manual_seed(0)
    spec = NetworkSpec(**{name: getattr(SPEC, name) for name in SPEC.__slots__} | {"norm": norm})
    network = build(cell, spec)
    module = load(model_source(cell, spec), tmp_path / f"edge_{norm}_{cell.fingerprint}.py")
    exported = module.Network()
    exported.load_state_dict(network.state_dict())
    images = torch.randn(3, 3, 9, 9)
    for training in (True, False):  # in training, running statistics change alike
        network.train(training)
        exported.train(training)
        with torch.no_grad():
            torch.testing.assert_close(exported(images), network(images), rtol=1e-5, atol=1e-5)
            for mine, theirs in zip(exported.features(images), network.features(images), strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    assert module.FEATURE_CHANNELS == (4, 8, 16)
    assert module.FEATURE_STRIDES == (1, 2, 4)
    assert [each.shape[2] for each in exported.features(images)] == [9, 5, 3]
    exported.reset_classifier(0)
    assert exported(images).shape == (3, exported.num_features) == (3, 16)


def test_code_imports_nothing_but_torch():
    text = model_source(EVERY_OP, SPEC, labels=Labels((0.5,) * 3, (0.2,) * 3, tuple("abcde")))
    imported = [node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in imported if name} <= {"__future__", "torch", "safetensors"} | {
        *sys.stdlib_module_names
    }
    assert ast.get_docstring(ast.parse(text)).count("s0 is its input") == 1


def test_each_state_is_an_explicit_sum():
    network = EdgeNetwork(EVERY_OP, SPEC)
    cell, _ = edge_classes(network)
    assert 's2 = F.avg_pool2d(s0, 3, 1, 1, count_include_pad=False) + self.nodes[1]["1"](r1)\n' in cell
    assert 's3 = s0 + self.nodes[2]["2"](r2)\n' in cell
    assert cell.count("torch.relu(") == 3
    without, _ = edge_classes(EdgeNetwork(WITHOUT_EDGES, SPEC))
    assert "s3 = torch.zeros_like(s0)\n" in without
    assert "relu" not in without
    assert "FEATURE_STRIDES = (1, 2, 4)" in list(edge_constants(network))
