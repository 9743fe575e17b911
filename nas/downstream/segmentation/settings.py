"""What a segmenter is and which pictures it learns from: plain data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Norm = Literal["frozen_bn", "bn", "gn", "syncbn"]


@dataclass(frozen=True, slots=True, config=_STRICT)
class HeadSpec:
    """What stands on a backbone; torchvision's heads, read off the last stage at the stride that it has.

    Attributes:
        kind: ``fcn`` (1411.4038), one convolution and the classifier, or ``deeplab`` (1706.05587), convolutions at
            several distances side by side.
        atrous_rates: those distances, in places of the map; torchvision's are for maps of stride 8 or 16.
        auxiliary: whether a second FCN head on the stage before the last one takes part in the loss.
        auxiliary_weight: of its loss.
        norm: what takes the place of the norms of backbone and heads, see `nas.models.replace_norms`; null leaves them
            as they are. Where norms are frozen, those of the heads are batch norms that are trained: they have no
            statistics to freeze.
    """

    kind: Literal["fcn", "deeplab"] = "fcn"
    atrous_rates: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (
        12,
        24,
        36,
    )
    auxiliary: bool = False
    auxiliary_weight: Annotated[float, Field(gt=0)] = 0.5
    norm: Norm | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class PicturesSpec:
    """Which pictures, and what of their masks is learned.

    Attributes:
        root: a folder with ``{train,val}/*.jpg`` and ``semantic/{train,val}/*.png`` of the same names.
        unlabelled: the value in a mask of what has no class, which counts nowhere: 0, or 255 as in PASCAL VOC.
        most_frequent: so many classes are learned, those with the most pixels in the training masks; what belongs to
            others counts as unlabelled. Null learns all that occur.
        crop: height and width in pixels of what is cut out of a scaled picture in training. The other lengths stand in
            the recipe: `scales` and `max_side`.
    """

    root: str | None = None
    unlabelled: Literal[0, 255] = 0
    most_frequent: Annotated[int | None, Field(ge=2, le=255)] = None
    crop: Annotated[int, Field(ge=8, le=8192)] = 480
