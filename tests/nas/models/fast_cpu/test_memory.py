import torch

from nas.models.fast_cpu.memory import is_eager_cpu, memory_format_of


def test_memory_format_is_that_of_the_map():
    images = torch.randn(2, 3, 4, 5)
    assert memory_format_of(images) is torch.contiguous_format
    assert memory_format_of(images.to(memory_format=torch.channels_last)) is torch.channels_last


def test_only_maps_on_a_cpu_count_as_eager():
    assert is_eager_cpu(torch.randn(1))
    assert not is_eager_cpu(torch.randn(1, device="meta"))
