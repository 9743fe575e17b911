"""What stands around a backbone to make a detector, and which pictures it is for: plain data."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.downstream.recipe import MAX_SIDE

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Norm: TypeAlias = Literal["frozen_bn", "bn", "gn", "syncbn"]


@dataclass(frozen=True, slots=True, config=_STRICT)
class DetectorSettings:
    """Faster R-CNN or Mask R-CNN on a feature pyramid; at its defaults as torchvision builds them.

    Sources: Faster R-CNN 1506.01497, FPN 1612.03144, Mask R-CNN 1703.06870, GN 1803.08494, and 1811.08883.

    Attributes:
        masks: whether it outlines objects too: Mask R-CNN.
        norm: in place of the backbone's norms; null leaves them as they are.
        head_norm: in pyramid, box head and mask head. ``auto`` is the backbone's ``gn`` or ``syncbn`` (1811.08883,
            section 3.1), and none with other norms, as in torchvision.
        box_head: ``mlp``, two linear layers (1612.03144), or ``conv``, four convolutions and one (1803.08494, section
            4.2). ``auto`` is ``conv`` where heads are normalized.
        channels: of all maps of the pyramid, and of the convolutions in the heads.
        features: of a linear layer in the box head.
        min_stride: maps of the backbone with a smaller stride are left out.
        anchor_scale: side of an anchor of aspect 1 for each pixel of its map's stride: 8 gives torchvision's 32 to 512.
        antialias: whether pictures are smoothed as they are made smaller; torchvision's are not, which hurts where they
            are made much smaller.
        train_proposals: boxes a picture that the first stage hands on in training.
        test_proposals: likewise in evaluation.
        rpn_batch: anchors a picture that the first stage learns from.
        roi_batch: proposals a picture that the heads learn from.
        min_score: boxes below it are not given.
        max_detections: boxes a picture that are given.
    """

    masks: bool = False
    norm: Norm | None = None
    head_norm: Literal["auto", "none", "bn", "gn", "syncbn"] = "auto"
    box_head: Literal["auto", "mlp", "conv"] = "auto"
    channels: Annotated[int, Field(ge=1)] = 256
    features: Annotated[int, Field(ge=1)] = 1024
    min_stride: Annotated[int, Field(ge=1)] = 1
    anchor_scale: Annotated[float, Field(gt=0)] = 8.0
    antialias: bool = False
    train_proposals: Annotated[int, Field(ge=1)] = 2000
    test_proposals: Annotated[int, Field(ge=1)] = 1000
    rpn_batch: Annotated[int, Field(ge=1)] = 256
    roi_batch: Annotated[int, Field(ge=1)] = 512
    min_score: Annotated[float, Field(ge=0, lt=1)] = 0.05
    max_detections: Annotated[int, Field(ge=1)] = 100

    @property
    def norm_of_heads(self) -> str | None:
        """The norm of pyramid and heads; None for none."""
        if self.head_norm == "auto":
            return self.norm if self.norm in ("gn", "syncbn") else None
        return None if self.head_norm == "none" else self.head_norm

    @property
    def has_conv_head(self) -> bool:
        """Whether the box head has convolutions."""
        return self.box_head == "conv" or (self.box_head == "auto" and self.norm_of_heads is not None)


@dataclass(frozen=True, slots=True, config=_STRICT)
class PictureForm:
    """What a detector makes of a picture before it looks at it, and what it can name in it.

    Attributes:
        categories: (id in the data, name), in the order of the labels from 1; 0 is the background.
        scales: shorter side to which pictures are brought: in training one of them at random, else the last.
        max_side: the longer side is never made longer.
        mean: of each channel, where white is 1.
        std: standard deviation of each channel.
    """

    categories: tuple[tuple[int, str], ...]
    scales: tuple[_Side, ...] = (800,)
    max_side: _Side = 1333
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[Annotated[float, Field(gt=0)], ...] = IMAGENET_STD


@dataclass(frozen=True, slots=True, config=_STRICT)
class DetectionData:
    """Which pictures a detector is trained and measured on, in COCO's layout.

    Attributes:
        root: the folder with ``train/``, ``val/`` and ``annotations/instances_{train,val}.json``, or with COCO's own
            names, ``train2017/`` and so on.
        num_train: how many training pictures are used; null means all. Fewer are always a part of more.
        subset_seed: of which these are.
        evaluate: which pictures the average precision is measured on: ``val``, or ``train``, those that are trained on,
            to see whether a detector can learn them by heart.
        num_evaluated: how many of them at most; null means all.
        check_pictures: ``decode`` decodes every picture before the training starts, ``size`` reads only its size.
        drop_bad_objects: whether objects are left out whose box or mask does not fit their picture or has no size, of
            which COCO has a few; they are an error otherwise.
        cache_mib: decoded pictures that are kept in the memory of each worker, in MiB.
    """

    root: str | None = None
    num_train: Annotated[int | None, Field(ge=1)] = None
    subset_seed: Annotated[int, Field(ge=0)] = 0
    evaluate: Literal["val", "train"] = "val"
    num_evaluated: Annotated[int | None, Field(ge=1)] = None
    check_pictures: Literal["decode", "size"] = "decode"
    drop_bad_objects: bool = False
    cache_mib: Annotated[int, Field(ge=0)] = 512
