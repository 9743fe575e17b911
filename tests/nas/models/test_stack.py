from __future__ import annotations

import pytest

from nas.architecture import Block, Cell, Edge
from nas.fidelity import NetworkSpec
from nas.models.presets import PRESETS
from nas.models.stack import auxiliary_place, cell_places, map_size, output_width


def test_cifar_stack():
    places = cell_places(NetworkSpec(num_filters=32, num_repeats=2))
    assert [place.num_filters for place in places] == [32, 32, 64, 64, 64, 128, 128, 128]
    assert [place.reduction for place in places] == [False, False, True, False, False, True, False, False]
    assert [place.stage for place in places] == [0, 0, 1, 1, 1, 2, 2, 2]
    assert [place.reads_back for place in places] == [1, 2, 2, 2, 2, 2, 2, 2]
    assert [index for index, place in enumerate(places) if place.ends_stage] == [1, 4, 7]
    assert auxiliary_place(places) == 4


def test_large_stack_has_stem_cells_and_skips_the_input_of_a_reduction():
    places = cell_places(PRESETS["imagenet-large"])
    assert [place.num_filters for place in places[:3]] == [42, 84, 168]
    assert [place.reduction for place in places[:3]] == [True, True, False]
    skipping = [index for index, place in enumerate(places) if place.reads_back == 3]
    assert skipping == [9, 16]  # the first normal cells of the second and third stage
    assert [places[index - 1].reduction for index in skipping] == [True, True]
    assert len(places) == 22


def test_pnasnet_stack_reduces_within_its_stages():
    places = cell_places(PRESETS["pnasnet-large"])
    assert len(places) == 14
    assert [index for index, place in enumerate(places) if place.reduction] == [0, 1, 6, 10]
    assert auxiliary_place(places) == 9


def test_stages_of_nothing_but_a_reduction():
    places = cell_places(NetworkSpec(num_repeats=1, reduction_in_stage=True, skip_reduction_input=True))
    assert [(place.reduction, place.reads_back, place.ends_stage) for place in places] == [
        (False, 1, True),
        (True, 2, True),
        (True, 2, True),
    ]


@pytest.mark.parametrize(("num_stages", "expected"), [(1, 1), (2, 3), (3, 4), (4, 4)])
def test_auxiliary_head_of_other_depths(num_stages, expected):
    assert auxiliary_place(cell_places(NetworkSpec(num_repeats=2, num_stages=num_stages))) == expected


@pytest.mark.parametrize(
    ("preset", "sizes"), [("imagenet-large", [165, 83, 42, 21, 11]), ("imagenet-mobile", [111, 56, 28, 14, 7])]
)
def test_map_sizes(preset, sizes):
    assert [map_size(PRESETS[preset], halvings) for halvings in range(5)] == sizes


def test_output_width_counts_concatenated_states_twice():
    edges = Edge(0, "identity"), Edge(1, "conv_1x1")
    cell = Cell((Block(*edges, combine="concat"), Block(*edges)))
    assert output_width(cell, 8) == 24
    assert output_width(Cell(cell.blocks, concat=(0, 3)), 8) == 16
