from __future__ import annotations

import torch

from nas.models.layers import Conv, Pool, Rectified, Unchanged
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


def test_siblings_are_computed_at_once_and_handed_out_once():
    convs = [Conv(2, 3, 1), Conv(2, 4, 1)]
    state = HiddenState(torch.randn(1, 2, 3, 3))
    first = state.convolve(convs[0], convs)
    torch.testing.assert_close(first, convs[0](state.view(Rectified())))
    with torch.no_grad():
        convs[1].weight.zero_()
    assert state.convolve(convs[1], convs).abs().sum() > 0
