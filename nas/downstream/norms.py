"""Norms of detectors and segmenters by name: those of `nas.models.normalization`, and frozen batch norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

from pydantic import AfterValidator
from torch import nn

from nas.models.normalization import NormSettings
from nas.models.replace_norms import LAYER_NORMS, check_norm

NormLayer: TypeAlias = Callable[[int], nn.Module]
"""Builds the norm of a map from its number of channels."""

NormName = Annotated[str, AfterValidator(check_norm)]
"""A setting that names a norm: a key of `nas.models.replace_norms.REPLACEMENTS`."""


def norm_layer(norm: str) -> NormLayer | None:
    """Returns a builder of norms as torchvision's heads take it; None for the norm ``none``."""
    if norm == "none":
        return None
    build = LAYER_NORMS[norm]
    return lambda num_channels: build(num_channels, NormSettings())


def _check_head_norm(norm: str) -> str:
    if norm != "auto" and norm not in LAYER_NORMS:
        raise ValueError(f"the norm of heads must be among auto, {', '.join(LAYER_NORMS)}, got {norm!r:.60}")
    return norm


HeadNormName = Annotated[str, AfterValidator(_check_head_norm)]
"""A setting that names the norm of heads, or ``auto``: heads have no statistics that could be frozen."""
