from __future__ import annotations

import pytest
import torch

from nas.models.auxiliary import AuxiliaryHead
from nas.models.normalization import NormSettings


@pytest.mark.parametrize(("map_size", "kernel"), [(1, 1), (4, 1), (5, 1), (8, 2), (16, 4), (21, 6)])
def test_it_reads_maps_of_any_size_whole(map_size, kernel):
    head = AuxiliaryHead(6, map_size, 10, NormSettings())
    assert head.read[0].kernel_size == (kernel, kernel)
    assert head(torch.randn(1, 6, map_size, map_size).relu()).shape == (1, 10)
