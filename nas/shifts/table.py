"""Table of shifts by name, each with five severities, and functions that apply them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

from nas.data.data_set import Split
from nas.shifts import color, optics
from nas.shifts.style import Palettes, builtin_palettes, match_palette

SEVERITIES = (1, 2, 3, 4, 5)
_CHUNK = 256
_SEED_BOUND = 2**63


@dataclass(frozen=True, slots=True)
class Source:
    """Sources of randomness, drawn on the CPU so that results are equal on all devices, and of style for a shift."""

    generator: torch.Generator
    palettes: Palettes | None


Apply: TypeAlias = Callable[[Tensor, float, Source], Tensor]
"""Applies a shift of a given strength to float32 images (N, C, H, W) with values from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Shift:
    """An appearance shift.

    Attributes:
        apply: applies the shift to images.
        strengths: strengths for severities 1 to 5, weakest first.
        meaning: description of the strength.
        needs_color: whether it requires three channels.
    """

    apply: Apply
    strengths: tuple[float, float, float, float, float]
    meaning: str
    needs_color: bool = False


def _plain(function: Callable[[Tensor, float], Tensor]) -> Apply:
    return lambda images, strength, _: function(images, strength)


def _library(name: str) -> Apply:
    """Returns a function of torchvision, which takes seconds to import."""

    def apply(images: Tensor, strength: float, _: Source) -> Tensor:
        from torchvision.transforms import functional

        changed: Tensor = getattr(functional, name)(images, strength)
        return changed

    return apply


def _drawn(function: Callable[[Tensor, float, torch.Generator], Tensor]) -> Apply:
    return lambda images, strength, source: function(images, strength, source.generator)


def _styled(images: Tensor, share: float, source: Source) -> Tensor:
    return match_palette(images, share, source.palettes or builtin_palettes(images.shape[1]), source.generator)


PAPER_SHIFTS = ("add_all", "add_red", "divide_contrast")
"""Shifts of IBN-Net (1807.09441); its own strengths are those of severity 3."""

SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {
        "add_all": Shift(_plain(color.add_all), (15, 30, 50, 70, 90), "levels of 255 added to all channels"),
        "add_red": Shift(_plain(color.add_red), (15, 30, 50, 70, 90), "levels of 255 added to red", needs_color=True),
        "divide_contrast": Shift(_plain(color.divide_contrast), (1.15, 1.3, 1.5, 2.0, 3.0), "divisor of contrast"),
        "brightness": Shift(_library("adjust_brightness"), (0.8, 0.65, 0.5, 0.35, 0.2), "factor of all values"),
        "contrast": Shift(_library("adjust_contrast"), (1.25, 1.5, 2.0, 2.75, 4.0), "factor of contrast"),
        "saturation": Shift(
            _library("adjust_saturation"), (1.5, 2.0, 3.0, 5.0, 8.0), "factor of saturation", needs_color=True
        ),
        "hue": Shift(
            _library("adjust_hue"), (0.05, 0.1, 0.2, 0.35, 0.5), "share of the color circle", needs_color=True
        ),
        "grey": Shift(_plain(color.grey), (0.2, 0.4, 0.6, 0.8, 1.0), "share of color taken away", needs_color=True),
        "temperature": Shift(
            _plain(color.temperature), (0.1, 0.2, 0.3, 0.45, 0.6), "more red, less blue", needs_color=True
        ),
        "gamma": Shift(_library("adjust_gamma"), (1.2, 1.5, 2.0, 2.7, 3.5), "exponent of all values"),
        "blur": Shift(_plain(optics.blur), (0.5, 0.75, 1.0, 1.5, 2.0), "deviation in pixels of 32"),
        "noise": Shift(_drawn(optics.noise), (0.02, 0.04, 0.07, 0.11, 0.16), "deviation, for values from 0 to 1"),
        "jpeg": Shift(_plain(optics.jpeg), (60, 40, 25, 15, 8), "quality"),
        "fog": Shift(_drawn(optics.fog), (0.2, 0.35, 0.5, 0.65, 0.8), "density"),
        "style": Shift(_styled, (0.2, 0.4, 0.6, 0.8, 1.0), "share of a reference image's colors"),
    }
)
"""All shifts by name."""


def check_shifts(names: Iterable[str], *, num_channels: int | None = None) -> tuple[str, ...]:
    """Returns the names; raises ValueError if one is unknown, repeated or does not support the number of channels."""
    names = tuple(names)
    for name in names:
        if name not in SHIFTS:
            raise ValueError(f"a shift must be one of {', '.join(SHIFTS)}, got {name!r:.100}")
        if num_channels not in {None, 3} and SHIFTS[name].needs_color:
            raise ValueError(f"shift {name} needs images of 3 channels, red, green and blue, got {num_channels}")
    if len(set(names)) != len(names):
        raise ValueError(f"shifts must be distinct, got {', '.join(names)}")
    return names


def check_disjoint(first: Iterable[str], second: Iterable[str]) -> None:
    """Raises ValueError unless two sets of shifts are disjoint, so that no shift is used in both search and test."""
    if common := sorted(set(first) & set(second)):
        raise ValueError(f"the shifts of the reward and of the test must be disjoint, both hold {', '.join(common)}")


def shifts_for(num_channels: int) -> tuple[str, ...]:
    """Returns the names of all shifts that support a number of channels."""
    return tuple(name for name, shift in SHIFTS.items() if num_channels == 3 or not shift.needs_color)


def apply_shift(
    images: Tensor, name: str, *, severity: int = 3, seed: int = 0, palettes: Palettes | None = None
) -> Tensor:
    """Applies a shift to images; returns a new tensor of the same shape and type, clipped to the valid range.

    Args:
        images: uint8, or float with values from 0 to 1, of shape (N, C, H, W), where C is 1 or 3.
        name: a key of `SHIFTS`.
        severity: from 1 to 5.
        seed: seed of random shifts, at least 0; the result for an image depends on its index, not on other images.
        palettes: color statistics of reference images with C channels; None uses the built-in ones of `read_palettes`.

    Raises:
        ValueError: if shift, severity or seed is invalid, or the shift does not support the images.
    """
    _check_request(images, name, severity, seed)
    if len(images) == 0:
        return images.clone()
    shift = SHIFTS[name]
    source = Source(torch.Generator().manual_seed(seed), palettes)
    strength = shift.strengths[severity - 1]
    return torch.cat([_on_floats(part, shift.apply, strength, source) for part in torch.split(images, _CHUNK)])


def shift_split(
    split: Split, name: str, *, severity: int = 3, seed: int = 0, palettes: Palettes | None = None
) -> Split:
    """Returns a split with shifted images and the same labels; see `apply_shift`."""
    images = torch.from_numpy(split.images.copy())
    return Split(apply_shift(images, name, severity=severity, seed=seed, palettes=palettes).numpy(), split.labels)


def _check_request(images: Tensor, name: str, severity: int, seed: int) -> None:
    if images.ndim != 4 or images.shape[1] not in {1, 3}:
        raise ValueError(f"images must be of shape (N, 1 or 3, H, W), got {tuple(images.shape)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images must be uint8, or floats from 0 to 1, got {images.dtype}")
    check_shifts([name], num_channels=images.shape[1])
    if type(severity) is not int or severity not in SEVERITIES:
        raise ValueError(f"a severity must be 1, 2, 3, 4 or 5, got {severity!r:.40}")
    if not 0 <= seed < _SEED_BOUND:
        raise ValueError(f"the seed of a shift must be from 0 to {_SEED_BOUND - 1}, got {seed!r:.40}")


def _on_floats(images: Tensor, apply: Apply, strength: float, source: Source) -> Tensor:
    is_float = images.is_floating_point()
    changed = apply(images.float() if is_float else images.float() / 255, strength, source).clamp(0, 1)
    return changed.to(images.dtype) if is_float else (changed * 255).round().to(torch.uint8)
