"""Plain NASNet-A for CIFAR-10, the baseline of benchmarks: one operation at a time, each with its own ReLU.

Parameters have the names of `nas.models.network.Network`, so that its state dict loads.
"""
# ruff: noqa: D101, D102 - a baseline, kept short

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

P, H = 0, 1
NORMAL = (
    (("sep5", H), ("sep3", P)),
    (("sep5", P), ("sep3", P)),
    (("avg3", H), ("skip", P)),
    (("avg3", P), ("avg3", P)),
    (("sep3", H), ("skip", H)),
)
REDUCTION = (
    (("sep5", H), ("sep7", P)),
    (("max3", H), ("sep7", P)),
    (("avg3", H), ("sep5", P)),
    (("skip", 3), ("avg3", 2)),
    (("sep3", 2), ("max3", H)),
)
_Blocks = tuple[tuple[tuple[str, int], ...], ...]
OUTPUTS: dict[_Blocks, tuple[int, ...]] = {NORMAL: (P, 2, 3, 4, 5, 6), REDUCTION: (3, 4, 5, 6)}


class Conv(nn.Module):
    """Convolution; with stride 2 and maps of even size, one more zero is padded after than before."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.size, self.stride, self.groups = size, stride, groups
        self.weight = nn.Parameter(torch.zeros(outputs, inputs // groups, size, size))

    def forward(self, x: Tensor) -> Tensor:
        before = (self.size - self.stride) // 2
        after = self.size - self.stride - before
        if before != after:
            x = functional.pad(x, (before, after, before, after))
            before = 0
        return functional.conv2d(x, self.weight, None, self.stride, max(before, 0), 1, self.groups)


class Reduce(nn.Module):
    """ReLU and factorized reduction."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                "even": Conv(inputs, outputs // 2, 1),
                "odd": Conv(inputs, outputs // 2, 1),
                "norm": nn.BatchNorm2d(outputs),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        shifted = functional.pad(x, (-1, 1, -1, 1))
        halves = self.layers["even"](x[:, :, ::2, ::2]), self.layers["odd"](shifted[:, :, ::2, ::2])
        result: Tensor = self.layers["norm"](torch.cat(halves, 1))
        return result


class Squeeze(nn.Module):
    """1x1 convolution and a norm, optionally after a ReLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, rectify: bool = True) -> None:
        super().__init__()
        self.rectify = rectify
        self.layers = nn.Sequential(Conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(torch.relu(x) if self.rectify else x)
        return result


class Separable(nn.Module):
    """ReLU, depthwise and pointwise convolution and a norm, twice."""

    def __init__(self, size: int, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Conv(inputs, inputs, size, stride, inputs),
            Conv(inputs, outputs, 1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            Conv(outputs, outputs, size, 1, outputs),
            Conv(outputs, outputs, 1),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(torch.relu(x))
        return result


class PooledSqueeze(nn.Module):
    """Pooling, followed by a 1x1 convolution and a norm where the width changes."""

    def __init__(self, kind: str, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        before = 1 if stride == 1 else 0
        pool: nn.Module = nn.MaxPool2d(3, stride, before, ceil_mode=True)
        if kind == "avg3":
            pool = nn.AvgPool2d(3, stride, before, ceil_mode=True, count_include_pad=False)
        self.pool = pool
        same = inputs == outputs
        self.layers = nn.Sequential(*(() if same else (Conv(inputs, outputs, 1), nn.BatchNorm2d(outputs))))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(self.pool(x))
        return result


def operation(name: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    if name.startswith("sep"):
        return Separable(int(name[3]), inputs, outputs, stride)
    if name == "skip":
        same = inputs == outputs and stride == 1
        return nn.Identity() if same else Squeeze(inputs, outputs, stride=stride)
    return PooledSqueeze(name, inputs, outputs, stride)


class Block(nn.Module):
    def __init__(self, edges: tuple[tuple[str, int], ...], widths: list[int], filters: int, stride: int) -> None:
        super().__init__()
        self.sources = [source for _, source in edges]
        self.edges = nn.ModuleList(
            operation(name, widths[source], filters, stride if source < 2 else 1) for name, source in edges
        )

    def forward(self, states: list[Tensor]) -> Tensor:
        left, right = (edge(states[source]) for edge, source in zip(self.edges, self.sources, strict=True))
        total: Tensor = left + right
        return total


class Cell(nn.Module):
    def __init__(self, blocks: _Blocks, before: int, previous: int, filters: int, role: str) -> None:
        super().__init__()
        self.match_before: nn.Module | None = None
        if role == "after reduction":
            self.match_before = Reduce(before, filters)
        elif role != "first":
            self.match_before = Squeeze(before, filters)
        self.match_previous = Squeeze(previous, filters)
        widths = [before if role == "first" else filters] + [filters] * 6
        stride = 2 if blocks is REDUCTION else 1
        self.blocks = nn.ModuleList(Block(edges, widths, filters, stride) for edges in blocks)
        self.outputs = OUTPUTS[blocks]
        wide = widths[0] != filters
        self.match_outputs = nn.ModuleDict({"0": Squeeze(widths[0], filters, rectify=False)} if wide else {})

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        states = [before if self.match_before is None else self.match_before(before), self.match_previous(previous)]
        for block in self.blocks:
            states.append(block(states))
        return torch.cat([self.output(index, states[index]) for index in self.outputs], 1)

    def output(self, index: int, state: Tensor) -> Tensor:
        name = str(index)
        result: Tensor = self.match_outputs[name](state) if name in self.match_outputs else state
        return result


class PlainNetwork(nn.Module):
    """NASNet-A's CIFAR stack: three stages, maps of even size."""

    def __init__(self, filters: int, repeats: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 3 * filters, 3), nn.BatchNorm2d(3 * filters))
        self.cells = nn.ModuleList()
        before = previous = 3 * filters
        for stage in range(3):
            kinds = [REDUCTION] * (stage > 0) + [NORMAL] * repeats
            for index, blocks in enumerate(kinds):
                role = "first" if not self.cells else "after reduction" if stage and index == 1 else ""
                width = filters * 2**stage
                self.cells.append(Cell(blocks, before, previous, width, role))
                before, previous = previous, width * len(OUTPUTS[blocks])
        self.classifier = nn.Linear(previous, 10)

    def forward(self, images: Tensor) -> Tensor:
        before = previous = self.stem(images)
        for cell in self.cells:
            before, previous = previous, cell(before, previous)
        logits: Tensor = self.classifier(torch.relu(previous).mean((2, 3)))
        return logits
