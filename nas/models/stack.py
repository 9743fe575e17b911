"""Layout of a network: order, filters and connections of its cells, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from nas.architecture import Cell
from nas.canonical import NUM_INPUTS
from nas.fidelity import NetworkSpec

STEM_SIZE = 3
"""Window of the stem's convolution in pixels."""


@dataclass(frozen=True, slots=True)
class CellPlace:
    """Place of a cell in the network. Its hidden state 1 is always the output of the previous cell.

    Attributes:
        stage: number of the stage, from 0. Stem cells belong to the first stage, reduction cells to the one they open.
        num_filters: filters of the cell.
        reduction: whether it is a reduction cell.
        reads_back: number of cells between hidden state 0 and this cell, plus one: 2, except 1 for the very first cell
            and 3 for a cell that skips the input of the reduction before it.
        ends_stage: whether it is the last cell of its stage.
    """

    stage: int
    num_filters: int
    reduction: bool
    reads_back: int = 2
    ends_stage: bool = False


def cell_places(spec: NetworkSpec) -> tuple[CellPlace, ...]:
    """Lays out the cells of a network, from input to classifier."""
    stem_scales = [2 ** (spec.num_stem_cells - index) for index in range(spec.num_stem_cells)]
    places = [CellPlace(0, spec.num_filters // scale, reduction=True) for scale in stem_scales]
    for stage in range(spec.num_stages):
        places.extend(_stage_places(stage, spec))
    places[0] = replace(places[0], reads_back=1)
    return tuple(places)


def _stage_places(stage: int, spec: NetworkSpec) -> list[CellPlace]:
    filters = spec.num_filters * 2**stage
    normal = CellPlace(stage, filters, reduction=False)
    places = [normal] * spec.num_repeats
    if stage > 0:
        if spec.skip_reduction_input:
            places[0] = replace(normal, reads_back=3)
        if spec.reduction_in_stage:
            places = places[1:]
        places.insert(0, CellPlace(stage, filters, reduction=True))
    places[-1] = replace(places[-1], ends_stage=True)
    return places


def auxiliary_place(places: tuple[CellPlace, ...]) -> int:
    """Returns the cell that feeds the auxiliary head: the last one before the second reduction between stages.

    In networks of one or two stages, it is the cell at two thirds of the depth.
    """
    if places[-1].stage >= 2:
        return max(index for index, place in enumerate(places) if place.stage == 1)
    return math.ceil(2 * len(places) / 3) - 1


def map_size(spec: NetworkSpec, num_halvings: int, *, length: int | None = None) -> int:
    """Returns the side in pixels of a map after halvings since the stem, for an image side (default: the spec's)."""
    size = spec.image_size if length is None else length
    if spec.stem == "imagenet":
        size = (size - STEM_SIZE) // 2 + 1
    for _ in range(num_halvings):
        size = (size + 1) // 2
    return size


def output_width(cell: Cell, num_filters: int) -> int:
    """Computes the channels of a cell's output: F per state, 2F per state that a block concatenates."""
    wide = {state for state, block in enumerate(cell.blocks, start=NUM_INPUTS) if block.combine == "concat"}
    return num_filters * sum(2 if state in wide else 1 for state in cell.output_states)
