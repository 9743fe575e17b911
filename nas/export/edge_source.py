"""Source code of networks of cells with operations on edges, with an explicit sum for each node."""

from __future__ import annotations

from collections.abc import Iterator

from nas.edge_cell import EdgeCell
from nas.export.network_source import HEAD_METHODS
from nas.models.edge_network import EdgeNetwork

_CELL = '''\
class Convolution(nn.Module):
    """A convolution of a rectified state and its norm."""

    def __init__(self, num_channels: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_convolution(num_channels, num_channels, size), batch_norm(num_channels, NORMS))

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, C, H, W) to the same shape."""
        return self.layers(images)


class Cell(nn.Module):
    """The cell, which keeps the size of its input: a state s1, s2, ... is the sum of the operations of its edges."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(
            [
                # convolutions of s1, s2, ..., by the state that they read
{nodes}            ]
        )

    def forward(self, s0: Tensor) -> Tensor:
        """Maps (N, C, H, W) to the same shape."""
{states}        return s{last}'''

_NETWORK = '''\
class Network(nn.Module):
    """Image classifier."""

    def __init__(self, num_classes: int = {num_classes}) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution({in_channels}, {stem}, 3), batch_norm({stem}, NORMS))
        self.stages = nn.ModuleList(
            [
{stages}            ]
        )
        self.norm = batch_norm({width}, NORMS)
        self.dropout = nn.Dropout({dropout})
        self.num_features = {width}
        self.num_classes = num_classes
        self.classifier = nn.Linear(self.num_features, num_classes)

{head}

    def forward_features(self, images: Tensor) -> Tensor:
        """Computes the maps (N, num_features, H, W) that the classifier averages."""
        return torch.relu(self.norm(self.features(images)[-1]))

    def features(self, images: Tensor) -> list[Tensor]:
        """Computes the output of the last cell of each stage: see FEATURE_CHANNELS and FEATURE_STRIDES."""
        outputs = [self.stem(images)]
        for stage in self.stages:
            outputs.append(stage(outputs[-1]))
        return outputs[1:]'''

_CONVOLUTIONS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
_OTHERS = {
    "none": "",
    "skip_connect": "s{source}",
    "avg_pool_3x3": "F.avg_pool2d(s{source}, 3, 1, 1, count_include_pad=False)",
}


def edge_constants(network: EdgeNetwork) -> Iterator[str]:
    """Yields constants for the outputs of the stages."""
    yield "# Channels and stride of the output of each stage."
    yield f"FEATURE_CHANNELS = {_widths(network)}"
    yield f"FEATURE_STRIDES = {tuple(1 << stage for stage in range(network.spec.num_stages))}"


def edge_classes(network: EdgeNetwork) -> Iterator[str]:
    """Yields the classes of the cell and of the network."""
    spec, widths = network.spec, _widths(network)
    yield _cell(network.architecture)
    stages = []
    for stage, width in enumerate(widths):
        opening = f"ResidualReduction({widths[stage - 1]}, {width}, NORMS), " if stage else ""
        stages.append(f"                nn.Sequential({opening}*(Cell({width}) for _ in range({spec.num_repeats}))),\n")
    yield _NETWORK.format(
        num_classes=spec.num_classes,
        in_channels=spec.in_channels,
        stem=widths[0],
        stages="".join(stages),
        width=widths[-1],
        dropout=spec.dropout,
        head=HEAD_METHODS.format(in_channels=spec.in_channels),
    )


def _widths(network: EdgeNetwork) -> tuple[int, ...]:
    return tuple(network.spec.num_filters << stage for stage in range(network.spec.num_stages))


def _cell(cell: EdgeCell) -> str:
    nodes = []
    for ops in cell.nodes:
        items = (f'"{source}": Convolution(num_channels, {_CONVOLUTIONS[op]})' for source, op in _convolved(ops))
        nodes.append(f"                nn.ModuleDict({{{', '.join(items)}}}),\n")
    states = "".join(f"        {line}\n" for line in _states(cell))
    return _CELL.format(nodes="".join(nodes), states=states, last=cell.num_nodes - 1)


def _states(cell: EdgeCell) -> Iterator[str]:
    """Yields the assignments of the forward pass; a state is rectified once."""
    rectified = {source for ops in cell.nodes for source, _ in _convolved(ops)}
    if 0 in rectified:
        yield "r0 = torch.relu(s0)"
    for node, ops in enumerate(cell.nodes, start=1):
        terms = [_term(op, source, node) for source, op in enumerate(ops)]
        yield f"s{node} = {' + '.join(filter(None, terms)) or 'torch.zeros_like(s0)'}"
        if node in rectified:
            yield f"r{node} = torch.relu(s{node})"


def _term(op: str, source: int, node: int) -> str:
    if op in _CONVOLUTIONS:
        return f'self.nodes[{node - 1}]["{source}"](r{source})'
    return _OTHERS[op].format(source=source)


def _convolved(ops: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(source, op) for source, op in enumerate(ops) if op in _CONVOLUTIONS]
