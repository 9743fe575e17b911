"""Colour statistics of reference pictures, taken over by images."""

import numpy as np
import pytest
import torch
from PIL import Image

from nas.shifts.style import Palettes, match_palette, palettes_of, read_palettes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(path, color):
    pixels = np.random.default_rng(0).normal(color, 20, (40, 30, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_a_full_share_takes_over_mean_and_covariance(num_channels):
    images = torch.rand(5, num_channels, 16, 16, generator=generator())
    target = palettes_of(torch.rand(1, num_channels, 16, 16, generator=generator(1)) * 0.3 + 0.5)
    styled = palettes_of(match_palette(images, 1.0, target, generator()))
    assert torch.allclose(styled.means, target.means.expand(5, -1), atol=1e-5)
    assert torch.allclose(styled.roots, target.roots.expand(5, -1, -1), atol=2e-3)


def test_no_share_changes_nothing():
    images = torch.rand(2, 3, 8, 8, generator=generator())
    assert torch.allclose(match_palette(images, 0.0, palettes_of(images), generator()), images)


def test_flat_images_stay_flat():
    images = torch.full((1, 3, 8, 8), 0.25)
    styled = match_palette(images, 1.0, read_palettes(None), generator())
    assert torch.isfinite(styled).all()
    assert float(styled.std((2, 3)).max()) < 1e-5


def test_each_image_draws_its_picture_from_the_generator():
    images = torch.rand(1, 3, 8, 8, generator=generator()).expand(40, 3, 8, 8)
    palettes = read_palettes(None)
    styled = match_palette(images, 1.0, palettes, generator())
    assert len(torch.unique(styled.mean((2, 3)), dim=0)) > 4
    assert torch.equal(styled, match_palette(images, 1.0, palettes, generator()))
    assert not torch.equal(styled, match_palette(images, 1.0, palettes, generator(1)))


def test_builtin_pictures_come_in_colour_and_grey():
    assert len(read_palettes(None)) == 8
    grey = read_palettes(None, num_channels=1)
    assert isinstance(grey, Palettes)
    assert grey.roots.shape == (8, 1, 1)


def test_pictures_of_a_folder_and_of_folders_below(tmp_path):
    (tmp_path / "more").mkdir()
    picture(tmp_path / "red.png", (200, 40, 40))
    picture(tmp_path / "more" / "blue.png", (40, 40, 200))
    palettes = read_palettes(tmp_path)
    assert palettes.means.argmax(1).tolist() == [2, 0]  # in the order of their paths


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        read_palettes(tmp_path / "none")
    with pytest.raises(ValueError, match="no image in"):
        read_palettes(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read"):
        read_palettes(tmp_path)


def test_pictures_of_16_bits_keep_their_grey(tmp_path):
    Image.fromarray(np.full((8, 8), 0x4000, np.uint16)).save(tmp_path / "a.png")
    assert read_palettes(tmp_path).means.tolist() == [[pytest.approx(64 / 255, abs=1e-3)] * 3]
