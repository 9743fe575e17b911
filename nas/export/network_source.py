"""Source code of the network around the cells."""

from __future__ import annotations

from collections.abc import Iterator

from nas.export.cell_source import CellSource
from nas.models.network import Network
from nas.models.stack import STEM_SIZE, CellPlace

NETWORK_METHODS = '''\
    def forward(self, images: Tensor) -> Tensor:
        """Classifies images (N, {in_channels}, H, W); returns logits (N, num_classes)."""
        for state in self._run(images):
            last = state
        return self.classifier(self.dropout(last.view(Rectified()).mean((2, 3))))

    def features(self, images: Tensor) -> list[Tensor]:
        """Computes the output of the last cell of each stage: see FEATURE_CHANNELS and FEATURE_STRIDES."""
        return [state.view(Unchanged()) for index, state in enumerate(self._run(images)) if index in STAGE_ENDS]

    def _run(self, images: Tensor) -> Iterator[HiddenState]:
        """Gives the output of each cell in turn."""
        recent = [HiddenState(self.stem(images))]
        for cell, back in zip(self.cells, READS_BACK, strict=True):
            recent = [*recent[-2:], cell(recent[-back], recent[-1])]
            yield recent[-1]'''

LOAD_SOURCE = '''\
def load(path: str | Path | None = None) -> Network:
    """Builds the network with its trained weights, ready to classify. Needs the package safetensors.

    Args:
        path: of the weights; by default the {weights_file} beside this file.
    """
    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file(path or Path(__file__).with_name("{weights_file}")))
    return network.eval()'''

NORMALIZE_SOURCE = '''\
def normalize(images: Tensor) -> Tensor:
    """Turns images (N, {in_channels}, H, W) with values from 0 to 1 into what the network was trained on."""
    mean, std = (torch.tensor(values, dtype=images.dtype, device=images.device) for values in (MEAN, STD))
    return (images - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)'''


def stack_constants(network: Network) -> Iterator[str]:
    """Which cells feed which, and what the stages give out."""
    ends = [index for index, place in enumerate(network.places) if place.ends_stage]
    stem_stride = 1 if network.spec.stem == "cifar" else 2
    yield "# How many cells back the input p of each cell lies."
    yield f"READS_BACK = {tuple(place.reads_back for place in network.places)}"
    yield "# The last cell of each stage, the channels of its output, and how far apart in the image its pixels lie."
    yield f"STAGE_ENDS = {tuple(ends)}"
    yield f"FEATURE_CHANNELS = {tuple(network.shapes[index].num_channels for index in ends)}"
    yield f"FEATURE_STRIDES = {tuple(stem_stride * 2 ** network.shapes[index].num_halvings for index in ends)}"


def network_source(network: Network, cells: dict[bool, CellSource]) -> str:
    """Writes the class of the network.

    Args:
        network: as it was built.
        cells: the source of its reduction cells under True, of its normal cells under False.
    """
    spec = network.spec
    lines = [
        "class Network(nn.Module):",
        '    """Classifies images. The auxiliary head and drop path, which only training needs, are left out."""',
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
        f"        self.classifier = nn.Linear({network.shapes[-1].num_channels}, num_classes)",
        "",
        NETWORK_METHODS.format(in_channels=spec.in_channels),
    ]
    return "\n".join(lines)


def _stem(network: Network) -> str:
    spec = network.spec
    filters = spec.stem_filters or 3 * spec.num_filters
    if spec.stem == "cifar":
        conv = f"Conv({spec.in_channels}, {filters}, {STEM_SIZE})"
    else:
        conv = f"nn.Conv2d({spec.in_channels}, {filters}, {STEM_SIZE}, stride=2, bias=False)"
    return f"nn.Sequential({conv}, batch_norm({filters}, NORMS))"


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
    """Whether norms that remove appearance stand in a cell: only in the first so many stages."""
    stages = network.architecture.appearance_stages
    return stages is None or place.stage < stages
