"""Reference networks by name, as plain data.

Residual networks are named by depth, then the variant of Bag of Tricks, then the placement of instance normalization:
``resnet50``, ``resnet50-d``, ``resnext101-32x4d-ibn-a``, ``seresnet50-d-ibn-b``. DenseNets are named ``densenet121`` or
``densenet121-ibn-a``. ``torchvision:NAME`` and ``timm:NAME`` are classification networks of these libraries.

- ``-b``: stride in the 3x3 convolution, which is torchvision's default. ``-c``: three 3x3 convolutions instead of the
  stem's 7x7. ``-d``: c, and average pooling before the projection of the shortcut (Bag of Tricks, 1812.01187,
  section 4).
- ``-ibn-a`` and ``-ibn-b``: see `nas.models.reference.placement`, which also has IBN-Net's further variants ``-ibn-c``,
  ``-ibn-d``, ``-ibn-ad`` (a & d) and ``-ibn-a2`` (a x 2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from nas.architecture import fingerprint_json
from nas.fidelity import NetworkSpec

IMAGENET_FORM = NetworkSpec(num_classes=1000, image_size=224, stem="imagenet")
"""The form in which residual networks and DenseNets are published (1512.03385, section 4.1)."""

VARIANTS = ("b", "c", "d")
PLACEMENTS = ("a", "b", "c", "d", "ad", "a2")
_LIBRARY = re.compile(r"(torchvision|timm):([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResNetForm:
    """A residual network.

    Attributes:
        depth: number of layers, which gives the blocks of each stage.
        variant: of Bag of Tricks, one of `VARIANTS`.
        placement: of instance normalization, one of `PLACEMENTS`, or None.
        groups: of the 3x3 convolutions (ResNeXt's cardinality, 1611.05431).
        width: channels of each group in the first stage.
        squeezes: whether each block has squeeze-and-excitation (1709.01507).
    """

    depth: int
    variant: str = "b"
    placement: str | None = None
    groups: int = 1
    width: int = 64
    squeezes: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns plain data, without groups and squeeze-and-excitation in networks that have none."""
        value: dict[str, Any] = {"depth": self.depth, "variant": self.variant, "placement": self.placement}
        grouped = {} if self.groups == 1 else {"groups": self.groups, "width": self.width}
        return {**value, **grouped, **({"squeezes": True} if self.squeezes else {})}


@dataclass(frozen=True, slots=True)
class DenseNetForm:
    """A DenseNet (1608.06993): number of layers, and ``a`` for IBN-Net's placement, or None."""

    dense_depth: int
    placement: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        return {"dense_depth": self.dense_depth, "placement": self.placement}


@dataclass(frozen=True, slots=True)
class LibraryForm:
    """A classification network of a library, ``torchvision`` or ``timm``, by its name there."""

    library: str
    name: str

    def to_json(self) -> dict[str, Any]:
        """Returns plain data."""
        return {"library": self.library, "name": self.name}


Form: TypeAlias = ResNetForm | DenseNetForm | LibraryForm

_RESNETS: Mapping[str, ResNetForm] = MappingProxyType(
    {f"resnet{depth}": ResNetForm(depth) for depth in (18, 34, 50, 101, 152)}
    | {
        f"resnext{depth}-{groups}x{width}d": ResNetForm(depth, groups=groups, width=width)
        for depth, groups, width in ((50, 32, 4), (101, 32, 4), (101, 32, 8), (101, 64, 4), (152, 32, 4), (152, 32, 8))
    }
    | {f"seresnet{depth}": ResNetForm(depth, squeezes=True) for depth in (50, 101, 152)}
)
_DENSENETS: Mapping[str, DenseNetForm] = MappingProxyType(
    {f"densenet{depth}": DenseNetForm(depth) for depth in (121, 161, 169, 201)}
)
REFERENCE_NETWORKS: Mapping[str, ResNetForm | DenseNetForm] = MappingProxyType(
    {
        f"{name}{f'-{variant}' if variant else ''}{f'-ibn-{placement}' if placement else ''}": replace(
            form, variant=variant or "b", placement=placement
        )
        for name, form in _RESNETS.items()
        for variant in (None, *VARIANTS)
        for placement in (None, *PLACEMENTS)
    }
    | {
        f"{name}{f'-ibn-{placement}' if placement else ''}": replace(form, placement=placement)
        for name, form in _DENSENETS.items()
        for placement in (None, "a")
    }
)
"""All reference networks of this project by name."""


def library_name(text: Any) -> LibraryForm | None:  # noqa: ANN401 - any JSON value
    """Returns the network that a name such as ``torchvision:resnet50`` means; None if it is not of that form."""
    match = _LIBRARY.fullmatch(text) if isinstance(text, str) else None
    return None if match is None else LibraryForm(match[1], match[2])


@dataclass(frozen=True, slots=True)
class ReferenceNetwork:
    """Describes a reference network by its name; a trial can hold it like an architecture.

    The name is a key of `REFERENCE_NETWORKS`, or ``torchvision:NAME`` or ``timm:NAME``.
    """

    name: str

    def __post_init__(self) -> None:
        # a tuple, since a name from JSON may be of any type
        if self.name not in tuple(REFERENCE_NETWORKS) and library_name(self.name) is None:
            raise ValueError(
                f"a reference network must be among {', '.join([*_RESNETS, *_DENSENETS])}, with -b, -c, -d or nothing, "
                f"then -ibn-a, -ibn-b or nothing; or torchvision:NAME or timm:NAME; got {self.name!r:.100}"
            )

    @property
    def form(self) -> Form:
        """What the name means."""
        return library_name(self.name) or REFERENCE_NETWORKS[self.name]

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal if and only if the networks are: ``resnet50-b`` equals ``resnet50``."""
        return fingerprint_json(self.form.to_json())

    def to_json(self) -> dict[str, str]:
        """Returns plain data for JSON."""
        return {"reference": self.name}

    @classmethod
    def from_json(cls, value: Any) -> ReferenceNetwork:  # noqa: ANN401 - any JSON value
        """Rebuilds a description; raises ValueError if the value does not describe a reference network."""
        if not isinstance(value, dict) or set(value) != {"reference"}:
            raise ValueError(f"a reference network must be an object with reference, got {value!r:.100}")
        return cls(value["reference"])
