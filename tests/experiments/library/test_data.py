import numpy as np
import pytest

import nas


@pytest.mark.parametrize("shape", [(10, 8, 8), (10, 3, 8, 8)])
def test_data_from_arrays(shape):
    data = nas.data_set(np.zeros(shape, dtype=np.uint8), np.arange(10) % 2, validation_fraction=0.4)
    assert (len(data.train), len(data.validation), data.class_names) == (6, 4, ("0", "1"))
    with pytest.raises(ValueError, match="made without test images"):
        data.load_test()


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_that_come_last_are_not_taken_for_a_width(channels):
    with pytest.raises(ValueError, match=r"channels last, as it seems: \(4, 8, 8, \d\); try: images\.transpose"):
        nas.data_set(np.zeros((4, 8, 8, channels), dtype=np.uint8), np.arange(4) % 2)


def test_arrays_of_another_type():
    with pytest.raises(ValueError, match="images must be uint8"):
        nas.data_set(np.zeros((4, 8, 8)), np.arange(4) % 2)
    with pytest.raises(ValueError, match="labels must be whole numbers, got float64"):
        nas.data_set(np.zeros((4, 8, 8), dtype=np.uint8), np.zeros(4))
