import pytest
import torch
from torch.nn import functional

from nas.models.fast_cpu.pointwise import joint_pointwise, pointwise


@pytest.mark.parametrize("num_images", [2, 16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
def test_joint_convolutions_are_each_of_them(num_images, memory_format):
    weights = [torch.randn(6, 4, 1, 1), torch.randn(3, 4, 1, 1)]
    images = torch.randn(num_images, 4, 3, 5).to(memory_format=memory_format)
    for result, weight in zip(joint_pointwise(images, weights), weights, strict=True):
        torch.testing.assert_close(result, functional.conv2d(images, weight))
        torch.testing.assert_close(result, pointwise(images, weight))
        assert result.is_contiguous(memory_format=memory_format)
