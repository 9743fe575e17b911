"""Plain forms of methods that are optimized for training speed, for use in exported source.

Both compute the same function: `tests/nas/export/test_folder.py` compares all operations of exported models with those
of the networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PLAIN_FORMS: Mapping[tuple[str, str, str], str] = MappingProxyType(
    {
        # The inherited method does the same, with torch's own gradient.
        ("nas.models.layers", "DepthwiseConv", "forward"): "",
        ("nas.models.layers", "FactorizedReduction", "forward"): '''\
    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, in_channels, H, W) to (N, out_channels, ceil(H / 2), ceil(W / 2))."""
        height, width = images.shape[2:]
        halves = [self.even(images[:, :, ::2, ::2])]
        if self.odd is not None:
            odd = F.pad(images[:, :, 1::2, 1::2], (0, width % 2, 0, height % 2))
            halves.append(self.odd(odd))
        return self.norm(torch.cat(halves, dim=1))''',
    }
)
"""By module, class and method: the source that replaces the method, or nothing to leave it out."""
