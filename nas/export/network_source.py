"""Source code of the network around the cells."""

from __future__ import annotations

from collections.abc import Iterator

from nas.export.cell_source import CellSource
from nas.models.network import Network, stem_norm
from nas.models.stack import STEM_SIZE, CellPlace

HEAD_METHODS = '''\
    def forward(self, images: Tensor) -> Tensor:
        """Classifies images (N, {in_channels}, H, W); returns logits (N, num_classes)."""
        return self.forward_head(self.forward_features(images))

    def forward_head(self, maps: Tensor, pre_logits: bool = False) -> Tensor:
        """Classifies the result of `forward_features`; with `pre_logits`, returns (N, num_features) instead."""
        pooled = self.dropout(maps.mean((2, 3)))
        return pooled if pre_logits else self.classifier(pooled)

    def reset_classifier(self, num_classes: int) -> None:
        """Replaces the classifier by an untrained one for other classes; 0 returns the pooled features instead."""
        self.num_classes = num_classes
        old = next(self.parameters())
        new = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.classifier = new.to(old.device, old.dtype)'''

_CELL_METHODS = '''\
    def forward_features(self, images: Tensor) -> Tensor:
        """Computes the maps (N, num_features, H, W) that the classifier averages."""
        for state in self._run(images):
            last = state
        return last.view(Rectified())

    def features(self, images: Tensor) -> list[Tensor]:
        """Computes the output of the last cell of each stage: see FEATURE_CHANNELS and FEATURE_STRIDES."""
        return [state.view(Unchanged()) for index, state in enumerate(self._run(images)) if index in STAGE_ENDS]

    def _run(self, images: Tensor) -> Iterator[HiddenState]:
        """Yields the output of each cell in turn."""
        recent = [HiddenState(self.stem(images))]
        for cell, back in zip(self.cells, READS_BACK, strict=True):
            recent = [*recent[-2:], cell(recent[-back], recent[-1])]
            yield recent[-1]'''

LOAD_SOURCE = '''\
def load(path: str | Path | None = None) -> Network:
    """Builds the network with its trained weights, in evaluation mode. Requires the package safetensors.

    Args:
        path: file of the weights; by default {weights_file} in the folder of this file.
    """
    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file(path or Path(__file__).with_name("{weights_file}")))
    return network.eval()'''

NORMALIZE_SOURCE = '''\
def normalize(images: Tensor) -> Tensor:
    """Normalizes images (N, {in_channels}, H, W) with values from 0 to 1 as in training."""
    mean, std = (torch.tensor(values, dtype=images.dtype, device=images.device) for values in (MEAN, STD))
    return (images - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)'''


def stack_constants(network: Network) -> Iterator[str]:
    """Yields constants for the connections of the cells and the outputs of the stages."""
    ends = [index for index, place in enumerate(network.places) if place.ends_stage]
    stem_stride = 1 if network.spec.stem == "cifar" else 2
    yield "# Distance in cells to the one whose output is the input p of each cell."
    yield f"READS_BACK = {tuple(place.reads_back for place in network.places)}"
    yield "# Last cell of each stage, and the channels and stride of its output."
    yield f"STAGE_ENDS = {tuple(ends)}"
    yield f"FEATURE_CHANNELS = {tuple(network.shapes[index].num_channels for index in ends)}"
    yield f"FEATURE_STRIDES = {tuple(stem_stride * 2 ** network.shapes[index].num_halvings for index in ends)}"


def network_source(network: Network, cells: dict[bool, CellSource]) -> str:
    """Generates the class of the network from the generators of its normal (False) and reduction cells (True)."""
    spec = network.spec
    lines = [
        "class Network(nn.Module):",
        '    """Image classifier, without the auxiliary head and drop path, which are used in training only."""',
        "",
        f"    def __init__(self, num_classes: int = {spec.num_classes}) -> None:",
        "        super().__init__()",
        f"        self.stem = {_stem(network)}",
        "        self.cells = nn.ModuleList(",
        "            [",
        "                # shapes of p and h: channels, halvings since the stem; filters",
        *(f"                {line}," for line in _cells(network, cells)),
        "            ]",
        "        )",
        f"        self.dropout = nn.Dropout({spec.dropout})",
        f"        self.num_features = {network.shapes[-1].num_channels}",
        "        self.num_classes = num_classes",
        "        self.classifier = nn.Linear(self.num_features, num_classes)",
        "",
        HEAD_METHODS.format(in_channels=spec.in_channels),
        "",
        _CELL_METHODS,
    ]
    return "\n".join(lines)


def _stem(network: Network) -> str:
    spec = network.spec
    filters = spec.stem_filters or 3 * spec.num_filters
    if spec.stem == "cifar":
        conv = f"Conv({spec.in_channels}, {filters}, {STEM_SIZE})"
    else:
        conv = f"nn.Conv2d({spec.in_channels}, {filters}, {STEM_SIZE}, stride=2, bias=False)"
    norm = stem_norm(network.architecture, spec).__name__
    return f"nn.Sequential({conv}, {norm}({filters}, NORMS))"


def _cells(network: Network, cells: dict[bool, CellSource]) -> Iterator[str]:
    stem = network.spec.stem_filters or 3 * network.spec.num_filters
    shapes = [(stem, 0), *((shape.num_channels, shape.num_halvings) for shape in network.shapes)]
    for index, place in enumerate(network.places):
        before, previous = shapes[index + 1 - place.reads_back], shapes[index]
        source = cells[place.reduction]
        arguments = [f"StateShape{before}", f"StateShape{previous}", str(place.num_filters)]
        if index == 0:
            arguments.append("first=True")
        if source.varies and not has_appearance(network, place):
            arguments.append("appearance=False")
        yield f"{source.name}({', '.join(arguments)})"


def has_appearance(network: Network, place: CellPlace) -> bool:
    """Returns whether a cell uses norms that remove appearance, as cells of the first stages do."""
    stages = network.architecture.appearance_stages
    return stages is None or place.stage < stages
