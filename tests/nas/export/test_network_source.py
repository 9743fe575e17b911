"""The network around the cells as source."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture
from nas.export.cell_source import CellSource
from nas.export.network_source import (
    LOAD_SOURCE,
    NORMALIZE_SOURCE,
    has_appearance,
    network_source,
    stack_constants,
)
from nas.fidelity import NetworkSpec
from nas.models.network import Network, build_network
from nas.models.presets import PRESETS
from search_spaces.published import PUBLISHED


def build(spec: NetworkSpec, *, appearance_stages: int | None = None) -> Network:
    nasnet = PUBLISHED["nasnet-a"]
    with torch.device("meta"):
        return build_network(Architecture(nasnet.normal, nasnet.reduction, appearance_stages), spec)


def source(network: Network, *, varies: bool = False) -> str:
    architecture = network.architecture
    cells = {
        False: CellSource(architecture.normal, reduction=False, varies=varies),
        True: CellSource(architecture.reduction, reduction=True),
    }
    return network_source(network, cells)


@pytest.fixture(scope="module")
def large() -> Network:
    return build(replace(PRESETS["imagenet-large"], auxiliary=False))


def test_constants_say_what_stages_give_out(large: Network) -> None:
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse("\n".join(stack_constants(large))).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert values["FEATURE_CHANNELS"] == (1008, 2016, 4032)
    assert values["FEATURE_STRIDES"] == (8, 16, 32)
    assert values["READS_BACK"][:3] == (1, 2, 2)
    assert values["READS_BACK"].count(3) == 2
    assert len(values["READS_BACK"]) == 22
    assert values["STAGE_ENDS"] == (7, 14, 21)


def test_the_stack_is_written_out(large: Network) -> None:
    text = source(large)
    ast.parse(text)
    assert "nn.Conv2d(3, 96, 3, stride=2, bias=False), batch_norm(96, NORMS)" in text
    assert "ReductionCell(StateShape(96, 0), StateShape(96, 0), 42, first=True)," in text
    assert "self.dropout = nn.Dropout(0.5)" in text
    assert "self.num_features = 4032" in text
    assert "self.classifier = nn.Linear(self.num_features, num_classes)" in text
    assert text.count("        NormalCell(") == 18
    # The first cell after a reduction reads past what the reduction read: 1008 channels, twice as large.
    assert "NormalCell(StateShape(1008, 2), StateShape(1344, 3), 336)," in text


def test_deeper_cells_lose_appearance_norms() -> None:
    network = build(NetworkSpec(num_filters=8, num_repeats=1), appearance_stages=1)
    assert [has_appearance(network, place) for place in network.places] == [True, False, False, False, False]
    text = source(network, varies=True)
    assert "NormalCell(StateShape(24, 0), StateShape(24, 0), 8, first=True)," in text
    assert text.count("appearance=False") == 2


def test_functions_are_valid_source() -> None:
    for text in (LOAD_SOURCE.format(weights_file="w.safetensors"), NORMALIZE_SOURCE.format(in_channels=3)):
        (function,) = ast.parse(text).body
        assert isinstance(function, ast.FunctionDef)
