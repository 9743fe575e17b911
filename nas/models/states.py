"""Hidden states of a cell during a forward pass; each view of a state is computed once, on first use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.models.fast_cpu.pointwise import joint_pointwise
from nas.models.layers import Conv, Rectified, Unchanged, View


@dataclass(frozen=True, slots=True)
class StateShape:
    """Shape of a hidden state, independent of the image size: channels, and halvings of the map since the stem."""

    num_channels: int
    num_halvings: int


class HiddenState:
    """A map made of parts along its channels, with a cache of its views.

    Parts (N, C, H, W) are concatenated only when they are read, and for ReLU after applying it, so that the unrectified
    map, which most cells never read, need not be stored.
    """

    def __init__(self, *parts: Tensor | HiddenState) -> None:
        self._parts = parts
        self._views: dict[View, Tensor] = {}
        self._results: dict[Conv, Tensor] = {}

    def view(self, view: View) -> Tensor:
        """Returns a view of the whole map (N, C, H, W)."""
        if view not in self._views:
            self._views[view] = self._compute(view)
        return self._views[view]

    def convolve(self, conv: Conv, siblings: Sequence[Conv]) -> Tensor:
        """Applies a 1x1 convolution to the map after ReLU; the result (N, out_channels, H, W) is not kept.

        The siblings, all convolutions that read this map after ReLU and `conv` among them, are computed jointly.
        """
        if conv not in self._results:
            weights = [sibling.weight for sibling in siblings]
            self._results.update(zip(siblings, joint_pointwise(self.view(Rectified()), weights), strict=True))
        return self._results.pop(conv)

    def _compute(self, view: View) -> Tensor:
        if isinstance(view, (Unchanged, Rectified)):
            maps = [part.view(view) if isinstance(part, HiddenState) else view(part) for part in self._parts]
            return maps[0] if len(maps) == 1 else torch.cat(maps, dim=1)
        return view(self.view(Unchanged()))
