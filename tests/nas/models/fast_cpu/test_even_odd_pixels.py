import pytest
import torch

from nas.models.fast_cpu.even_odd_pixels import even_odd_pixels


@pytest.mark.parametrize("shape", [(4, 4), (5, 4), (1, 1)], ids=str)
def test_values_and_gradient_are_those_of_strided_slices(shape):
    images = torch.randn(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    even, odd = even_odd_pixels(images)
    shifted = torch.nn.functional.pad(images, (0, 1, 0, 1))[:, :, 1:, 1:]
    torch.testing.assert_close(even, images[:, :, ::2, ::2])
    torch.testing.assert_close(odd, shifted[:, :, ::2, ::2])
    assert torch.autograd.gradcheck(even_odd_pixels, images)
