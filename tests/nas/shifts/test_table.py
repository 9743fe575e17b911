"""The table of shifts and the function that applies them, over every shift."""

import numpy as np
import pytest
import torch

from nas.data.data_set import Split
from nas.data.digits import load_digits
from nas.fidelity import DataSpec
from nas.shifts.table import (
    PAPER_SHIFTS,
    SEVERITIES,
    SHIFTS,
    apply_shift,
    check_disjoint,
    check_shifts,
    shift_split,
    shifts_for,
)


@pytest.fixture(scope="module")
def images():
    """Smooth colourful pictures, away from black and white."""
    coarse = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    smooth = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
    return (smooth * 255).round().to(torch.uint8)


@pytest.fixture(scope="module")
def digits():
    return load_digits(DataSpec()).validation


@pytest.mark.parametrize("name", SHIFTS)
def test_every_shift_grows_with_its_severity(name, images):
    before = images.clone()
    changes = []
    for severity in SEVERITIES:
        shifted = apply_shift(images, name, severity=severity)
        assert shifted.dtype == torch.uint8
        assert shifted.shape == images.shape
        changes.append(float((shifted.float() - images.float()).abs().mean()))
    assert torch.equal(images, before)
    assert changes[0] > 0
    assert changes == sorted(changes)
    assert len(set(changes)) == 5


@pytest.mark.parametrize("name", SHIFTS)
def test_every_shift_follows_its_seed_only(name, images):
    first, torch_state = apply_shift(images, name, seed=3), torch.get_rng_state()
    torch.rand(5)
    assert torch.equal(first, apply_shift(images, name, seed=3))
    torch.set_rng_state(torch_state)
    draws = name in {"noise", "fog", "style"}
    assert torch.equal(first, apply_shift(images, name, seed=4)) != draws


@pytest.mark.parametrize("name", SHIFTS)
def test_floats_and_bytes_agree(name, images):
    floats = apply_shift(images.double() / 255, name)
    assert floats.dtype == torch.float64
    assert float(floats.min()) >= 0
    assert float(floats.max()) <= 1
    assert float((floats * 255 - apply_shift(images, name)).abs().max()) <= 0.51


def test_many_images_are_as_few(images):
    many = images[:1].expand(600, 3, 32, 32)
    assert torch.equal(apply_shift(many, "add_red"), apply_shift(images[:1], "add_red").expand(600, 3, 32, 32))
    noisy = apply_shift(many, "noise")
    assert torch.equal(noisy[:300], apply_shift(many[:300], "noise")[:300])
    assert not torch.equal(noisy[0], noisy[256])  # the next part draws on


@pytest.mark.parametrize("size", [5, 32])
@pytest.mark.parametrize("name", SHIFTS)
def test_an_image_does_not_see_the_others_of_the_call(name, size, images):
    """Nor how many there are: 5x5 pixels are no multiple of what torch draws at once."""
    floats = images[:, :, :size, :size].float() / 255
    shifted = apply_shift(floats, name, severity=4, seed=5)
    for number in (1, 2, 5):
        few = apply_shift(floats[:number], name, severity=4, seed=5)
        torch.testing.assert_close(few, shifted[:number], atol=1e-5, rtol=0)
    others = torch.cat((1 - floats[:2], floats[2:3], floats[:3] / 2))
    changed = apply_shift(others, name, severity=4, seed=5)
    torch.testing.assert_close(changed[2], shifted[2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHIFTS)
def test_no_images_stay_none(name, images):
    assert apply_shift(images[:0], name).shape == (0, 3, 32, 32)


def test_severity_3_is_the_papers():
    image = torch.tensor([100, 150, 230], dtype=torch.uint8).view(1, 3, 1, 1).repeat(1, 1, 2, 2)
    assert apply_shift(image, "add_all")[0, :, 0, 0].tolist() == [150, 200, 255]
    assert apply_shift(image, "add_red")[0, :, 0, 0].tolist() == [150, 150, 230]
    striped = torch.tensor([[100, 160]], dtype=torch.uint8).view(1, 1, 1, 2)
    assert apply_shift(striped, "divide_contrast").flatten().tolist() == [110, 150]


@pytest.mark.parametrize("name", shifts_for(1))
def test_grey_digits_of_8_pixels(name, digits):
    shifted = shift_split(digits, name, severity=4)
    assert shifted.images.shape == digits.images.shape
    assert not np.array_equal(shifted.images, digits.images)
    assert np.array_equal(shifted.labels, digits.labels)


def test_colour_shifts_say_that_grey_images_have_none():
    assert set(SHIFTS) - set(shifts_for(1)) == {"add_red", "saturation", "hue", "grey", "temperature"}
    assert shifts_for(3) == tuple(SHIFTS)
    for name in set(SHIFTS) - set(shifts_for(1)):
        with pytest.raises(ValueError, match=f"shift {name} needs images of 3 channels"):
            apply_shift(torch.zeros(1, 1, 8, 8), name)


def test_bad_requests_are_refused(images):
    with pytest.raises(ValueError, match=r"a shift must be one of add_all, .*, got 'rain'"):
        apply_shift(images, "rain")
    for severity in (0, 6, 2.5, True, 3.0):
        with pytest.raises(ValueError, match="a severity must be 1, 2, 3, 4 or 5"):
            apply_shift(images, "blur", severity=severity)
    for shape in ((3, 8, 8), (1, 4, 8, 8)):
        with pytest.raises(ValueError, match=r"images must be of shape \(N, 1 or 3, H, W\)"):
            apply_shift(torch.zeros(shape), "blur")
    with pytest.raises(ValueError, match=r"images must be uint8, or floats from 0 to 1, got torch\.int64"):
        apply_shift(images.long(), "blur")
    for seed in (-1, 2**63):
        with pytest.raises(ValueError, match="the seed of a shift must be from 0"):
            apply_shift(images, "noise", seed=seed)


def test_sets_of_shifts():
    assert check_shifts(["blur", "noise"]) == ("blur", "noise")
    assert check_shifts(PAPER_SHIFTS, num_channels=3) == PAPER_SHIFTS
    with pytest.raises(ValueError, match="must be distinct, got blur, blur"):
        check_shifts(["blur", "blur"])
    check_disjoint(["blur"], ["noise"])
    with pytest.raises(ValueError, match="disjoint, both hold blur, noise"):
        check_disjoint(["noise", "blur", "fog"], ["blur", "noise"])


def test_read_only_arrays_as_ray_hands_them_out(images):
    array = images.numpy().copy()
    array.flags.writeable = False
    split = Split(array, np.zeros(len(array), np.int64))
    assert shift_split(split, "gamma").images.shape == array.shape
