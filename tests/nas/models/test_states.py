from __future__ import annotations

import torch

from nas.models.layers import Pool, Rectified, Unchanged
from nas.models.states import HiddenState


def test_views_are_computed_once():
    state = HiddenState(torch.randn(1, 2, 4, 4))
    for view in (Unchanged(), Rectified(), Pool("avg", 3, 1)):
        assert state.view(view) is state.view(view)


def test_rectified_concatenation_of_nested_parts():
    first, second, third = (torch.randn(1, 2, 3, 3) for _ in range(3))
    inner = HiddenState(first, second)
    state = HiddenState(inner, third)
    whole = torch.cat((first, second, third), 1)
    torch.testing.assert_close(state.view(Rectified()), whole.relu())
    torch.testing.assert_close(state.view(Unchanged()), whole)
    torch.testing.assert_close(state.view(Pool("max", 3, 2)), Pool("max", 3, 2)(whole))


def test_a_rectified_part_is_shared():
    tensor = torch.randn(1, 2, 3, 3)
    part = HiddenState(tensor)
    assert HiddenState(part).view(Rectified()) is part.view(Rectified())
    assert part.view(Unchanged()) is tensor
