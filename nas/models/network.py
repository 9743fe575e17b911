"""Network of cells: a stem, stages of normal cells separated by reduction cells, and a classifier.

Widths, strides and connections follow NASNet's code (1707.07012), or PNASNet's (1712.00559) if
`NetworkSpec.reduction_in_stage` is set.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor, nn

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.auxiliary import AuxiliaryHead
from nas.models.cell import CellLayers, CellSettings, Matching
from nas.models.classifier_norm import place_in_cells, use_norm
from nas.models.dense.shifted_copies import ShiftedCopies
from nas.models.drop_path import ScheduledDropPath
from nas.models.layers import Conv, Rectified, Unchanged
from nas.models.normalization import NORMALIZATIONS, NormBuilder, NormSettings, batch_norm, instance_norm
from nas.models.operations import OPERATIONS
from nas.models.stack import STEM_SIZE, CellPlace, auxiliary_place, cell_places, map_size
from nas.models.states import HiddenState, StateShape
from nas.names import check_known


def build_network(architecture: Architecture, spec: NetworkSpec) -> Network:
    """Builds a network in training mode; initial weights are drawn from torch's generator. See `check_names`."""
    check_names(architecture)
    return use_norm(Network(architecture, spec), spec.norm)


def check_names(architecture: Architecture) -> None:
    """Raises ValueError if the architecture names an unknown operation or norm."""
    for place, cell in (("normal", architecture.normal), ("reduction", architecture.reduction)):
        for index, block in enumerate(cell.blocks):
            where = f"block {index} of the {place} cell"
            check_known(f"the ops of {where}", (edge.op for edge in block.edges), OPERATIONS)
            check_known(f"the norm of {where}", (block.norm,), NORMALIZATIONS)


class Network(nn.Module):
    """An image classifier made of the cells of one architecture. Build it with `build_network`.

    Attributes:
        places: place of each cell.
        shapes: output shape of each cell.
        dense_cells: numbers of reduction cells that keep the size of the map, see `nas.models.dense.shifted_copies`.
    """

    def __init__(self, architecture: Architecture, spec: NetworkSpec) -> None:
        super().__init__()
        self.architecture = architecture
        self.spec = spec
        self.places = cell_places(spec)
        self.dense_cells: frozenset[int] = frozenset()
        norms = NormSettings(spec.norm_epsilon, spec.norm_momentum, spec.instance_ratio)
        stem_filters = spec.stem_filters or 3 * spec.num_filters
        stem: nn.Module = Conv(spec.in_channels, stem_filters, STEM_SIZE)
        if spec.stem == "imagenet":
            stem = nn.Conv2d(spec.in_channels, stem_filters, STEM_SIZE, stride=2, bias=False)
        placed = place_in_cells(architecture, spec)
        self.stem = nn.Sequential(stem, stem_norm(placed, spec)(stem_filters, norms))
        cells = _build_cells(placed, spec, norms, StateShape(stem_filters, 0))
        self.shapes = tuple(cell.shape for cell in cells)
        self.cells = nn.ModuleList(cells)
        _join_readers(cells, self.places)
        self.drop_path = None
        if spec.drop_path > 0:
            self.drop_path = ScheduledDropPath([cell.num_paths for cell in cells], spec.drop_path)
        self.auxiliary_head = None
        if spec.auxiliary:
            self.auxiliary_cell = auxiliary_place(self.places)
            shape = self.shapes[self.auxiliary_cell]
            size = map_size(spec, shape.num_halvings)
            self.auxiliary_head = AuxiliaryHead(shape.num_channels, size, spec.num_classes, norms)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = nn.Linear(self.shapes[-1].num_channels, spec.num_classes)

    @property
    def parts(self) -> dict[str, list[nn.Module]]:
        """The modules of each stage by name, from stem to classifier; a reduction is part of the stage it opens."""
        parts: dict[str, list[nn.Module]] = {"stem": [self.stem]}
        for index, (cell, place) in enumerate(zip(self.cells, self.places, strict=True)):
            name = "stem" if index < self.spec.num_stem_cells else f"stage {place.stage + 1}"
            parts.setdefault(name, []).append(cell)
        return {**parts, "classifier": [self.classifier]}

    def set_progress(self, fraction: float) -> None:
        """Sets the progress of training, from 0 to 1, for scheduled drop path."""
        if self.drop_path is not None:
            self.drop_path.set_progress(fraction)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Maps images (N, in_channels, H, W) to logits (N, num_classes).

        In training mode with an auxiliary head, returns a pair of logits and auxiliary logits.
        """
        last = len(self.cells) - 1
        if self.auxiliary_head is None or not self.training:
            return self._classify(self._run(images, {last})[last])
        states = self._run(images, {self.auxiliary_cell, last})
        auxiliary: Tensor = self.auxiliary_head(states[self.auxiliary_cell].view(Rectified()))
        return self._classify(states[last]), auxiliary

    def features(self, images: Tensor) -> list[Tensor]:
        """Computes the output (N, C, H, W) of the last cell of each stage, before ReLU."""
        ends = [index for index, place in enumerate(self.places) if place.ends_stage]
        states = self._run(images, ends)
        return [states[index].view(Unchanged()) for index in ends]

    def _run(self, images: Tensor, wanted: Collection[int]) -> dict[int, HiddenState]:
        """Runs all cells and returns the wanted outputs; other outputs are freed as soon as no cell reads them."""
        factors = iter(self.drop_path.draw(images)) if self.training and self.drop_path is not None else None
        states = {}
        copies = ShiftedCopies()
        recent = [HiddenState(self.stem(images))]
        for index, (cell, place) in enumerate(zip(self.cells, self.places, strict=True)):
            if index in self.dense_cells:
                spread = copies.spread(*(state.view(Unchanged()) for state in recent))
                recent = [HiddenState(state) for state in spread]
            recent = [*recent[-2:], cell(recent[-place.reads_back], recent[-1], factors)]
            if index in wanted:
                states[index] = (
                    recent[-1] if not self.dense_cells else HiddenState(copies.gather(recent[-1].view(Unchanged())))
                )
        return states

    def _classify(self, state: HiddenState) -> Tensor:
        logits: Tensor = self.classifier(self.dropout(state.view(Rectified()).mean((2, 3))))
        return logits


def stem_norm(architecture: Architecture, spec: NetworkSpec) -> NormBuilder:
    """Returns the builder of the stem's norm: instance normalization with ``ibn_b``, as in IBN-Net."""
    return instance_norm if spec.norm == "ibn_b" and architecture.appearance_stages != 0 else batch_norm


def _build_cells(
    architecture: Architecture, spec: NetworkSpec, norms: NormSettings, stem: StateShape
) -> list[CellLayers]:
    """Builds all cells; only the first `Architecture.appearance_stages` stages use instance-type norms."""
    num_appearance = spec.num_stages if architecture.appearance_stages is None else architecture.appearance_stages
    shapes = [stem]
    cells = []
    for index, place in enumerate(cell_places(spec)):
        settings = CellSettings(
            num_filters=place.num_filters,
            stride=2 if place.reduction else 1,
            appearance=place.stage < num_appearance,
            norms=norms,
            average_counts_padding=spec.average_counts_padding,
        )
        description = architecture.reduction if place.reduction else architecture.normal
        cells.append(CellLayers(description, (shapes[-place.reads_back], shapes[-1]), settings, first=index == 0))
        shapes.append(cells[-1].shape)
    return cells


def _join_readers(cells: Sequence[CellLayers], places: Sequence[CellPlace]) -> None:
    """Connects the 1x1 convolutions that read the same cell's output, as states 1 and 0 of the next two cells."""
    readers: dict[int, list[tuple[Matching, Conv]]] = {}
    for index, (cell, place) in enumerate(zip(cells, places, strict=True)):
        for matching, source in ((cell.match_previous, index), (cell.match_before, index + 1 - place.reads_back)):
            if matching is not None and matching.conv is not None:
                readers.setdefault(source, []).append((matching, matching.conv))
    for siblings in readers.values():
        for matching, _ in siblings:
            matching.siblings = tuple(conv for _, conv in siblings)
