"""Settings of segmenters and of the images they are trained on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.downstream.norms import NormName
from nas.downstream.recipe import MAX_SIDE

_Rate = Annotated[int, Field(ge=1)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class HeadSpec:
    """Heads on a backbone: torchvision's, on the last stage.

    Attributes:
        kind: ``fcn`` (1411.4038), a convolution and the classifier, or ``deeplab`` (1706.05587), parallel convolutions
            with several dilations.
        atrous_rates: these dilations; torchvision's values are for maps of stride 8 or 16.
        auxiliary: whether a second FCN head, on the stage before the last one, contributes to the loss.
        auxiliary_weight: of its loss.
        norm: replaces the norms of backbone and heads, see `nas.models.replace_norms`; null keeps them. With
            ``frozen_bn`` the heads have batch norms that are trained, since they have no statistics to freeze.
        output_stride: largest stride of a stage: later ones are dilated. Null keeps the strides of the backbone.
    """

    kind: Literal["fcn", "deeplab"] = "fcn"
    atrous_rates: tuple[_Rate, _Rate, _Rate] = (12, 24, 36)
    auxiliary: bool = False
    auxiliary_weight: Annotated[float, Field(gt=0)] = 0.5
    norm: NormName | None = None
    output_stride: Literal[8, 16] | None = None

    LATER: ClassVar[tuple[str, ...]] = ("output_stride",)

    @property
    def norm_of_heads(self) -> str:
        """The norm of the heads."""
        return "bn" if self.norm in {None, "frozen_bn"} else str(self.norm)


@dataclass(frozen=True, slots=True, config=_STRICT)
class SegmentationData:
    """Images to train on, and the classes in their masks.

    Attributes:
        root: folder with ``{train,val}/*.jpg`` and masks ``semantic/{train,val}/*.png`` of the same names; or that of
            Cityscapes, GTA5, ADE20K or Pascal VOC as it is downloaded.
        unlabelled: value in such masks of pixels without a class, which are ignored: 0, or 255. A downloaded data set
            has its own.
        most_frequent: classes to learn, those with the most training pixels; others become unlabelled. Null: all.
        crop: height and width in pixels of training crops. Other sizes are in the recipe: `scales` and `max_side`.
        format: of the folder: ``folder``, ``cityscapes``, ``gta5``, ``ade20k``, ``voc``, or ``auto`` to find out.
        train_sets: image sets of Pascal VOC to train on, such as [VOC2012/train]. Null: train of the last year.
        evaluation_sets: image sets to evaluate on as ``val``. Null: val of the last year.
    """

    root: str | None = None
    unlabelled: Literal[0, 255] = 0
    most_frequent: Annotated[int | None, Field(ge=2, le=255)] = None
    crop: Annotated[int, Field(ge=8, le=MAX_SIDE)] = 480
    format: Literal["auto", "folder", "cityscapes", "gta5", "ade20k", "voc"] = "auto"
    train_sets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    evaluation_sets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    LATER: ClassVar[tuple[str, ...]] = ("format", "train_sets", "evaluation_sets")
