import math

import pytest
import torch
from torch import nn

from nas.models.layers import Rectified, Unchanged
from nas.models.operations import EdgeLayers
from nas.models.states import HiddenState
from nas.scores.activations import jacobian_covariance, naswot

LABELS = torch.tensor([0, 1])


class Rectify(nn.Module):
    """One of several ways to call ReLU."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images)


RECTIFIERS = (torch.relu, nn.ReLU(), nn.functional.relu, lambda values: values.relu(), nn.ReLU(inplace=True))


@pytest.mark.parametrize("rectify", RECTIFIERS)
def test_naswot_is_the_log_determinant_of_equal_units(rectify):
    """Patterns 10 and 11 agree in one unit of two: K = [[2, 1], [1, 2]]. With two more units, off in both, 4 and 3."""
    images = torch.tensor([[1.0, -1.0], [2.0, 3.0]])[:, None, None, :]
    assert naswot(Rectify(rectify), images.clone(), LABELS) == pytest.approx(math.log(3))
    wide = nn.functional.pad(images, (0, 2), value=-1.0)
    assert naswot(Rectify(rectify), wide, LABELS) == pytest.approx(math.log(7))


def test_naswot_counts_a_state_once_for_each_operation_that_reads_it():
    class Read(nn.Module):
        def __init__(self, *views) -> None:
            super().__init__()
            self.edges = nn.ModuleList(EdgeLayers(view) for view in views)

        def forward(self, images):
            state = HiddenState(images)
            return sum(edge(state) for edge in self.edges)

    images = torch.tensor([[1.0, -1.0], [2.0, 3.0]])[:, None, None, :]
    assert naswot(Read(Rectified(), Unchanged()), images, LABELS) == pytest.approx(math.log(3))
    assert naswot(Read(Rectified(), Rectified()), images, LABELS) == pytest.approx(math.log(4 * 3))


def test_naswot_of_equal_patterns_is_minus_infinity():
    images = torch.ones(2, 1, 1, 2)
    assert naswot(Rectify(torch.relu), images, LABELS) == -math.inf


def test_gradients_that_are_equal_give_the_lowest_jacobian_covariance():
    """A linear network has one gradient for all images: the eigenvalues are N, 0, ..., 0."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    images, k = torch.randn(4, 3, 2, 2), 1e-5
    expected = -(math.log(4 + k) + 1 / (4 + k) + 3 * (math.log(k) + 1 / k))
    assert jacobian_covariance(linear, images, torch.zeros(4)) == pytest.approx(expected, rel=1e-4)


def test_gradients_that_do_not_correlate_give_the_highest():
    """Random signs give each image its own gradient: all eigenvalues are near 1, and the score is near -N."""

    class Own(nn.Module):
        def forward(self, images):
            signs = torch.sign(torch.randn(len(images), 4096, generator=torch.Generator().manual_seed(0)))
            return (images.flatten(1) * signs).sum(1, keepdim=True)

    score = jacobian_covariance(Own(), torch.randn(4, 1, 64, 64), torch.zeros(4))
    assert score == pytest.approx(-4, abs=0.05)
