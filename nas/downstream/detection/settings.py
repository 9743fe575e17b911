"""Settings of detectors and of the images they are trained on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.downstream.norms import HeadNormName, NormName
from nas.downstream.recipe import IMAGENET_MEAN, IMAGENET_STD, MAX_SIDE

_Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class DetectorSettings:
    """Faster R-CNN, Mask R-CNN or Keypoint R-CNN on a feature pyramid; the defaults are torchvision's.

    Sources: Faster R-CNN 1506.01497, FPN 1612.03144, Mask R-CNN 1703.06870, GN 1803.08494, and 1811.08883.

    Attributes:
        masks: whether masks are predicted too (Mask R-CNN).
        norm: replaces the norms of the backbone, see `nas.models.replace_norms`; null keeps them.
        head_norm: of pyramid and heads. ``auto`` is `norm` (1811.08883, section 3.1), but ``none`` where that is null,
            ``bn`` or ``frozen_bn``, as in torchvision.
        box_head: ``mlp``, two linear layers (1612.03144), or ``conv``, four convolutions and a linear layer
            (1803.08494, section 4.2). ``auto`` is ``conv`` if heads are normalized.
        channels: of the maps of the pyramid and of the convolutions in the heads.
        features: of the linear layers in the box head.
        min_stride: maps of the backbone with a smaller stride are not used.
        anchor_scale: side of a square anchor divided by the stride of its map; 8 gives torchvision's 32 to 512 pixels.
        antialias: whether images are smoothed before they are reduced, which helps large reductions.
        train_proposals: boxes per image from the first stage in training.
        test_proposals: the same in evaluation.
        rpn_batch: anchors per image in the loss of the first stage.
        roi_batch: proposals per image in the loss of the heads.
        min_score: boxes with lower scores are dropped.
        max_detections: boxes per image in the output.
        keypoints: whether the 17 keypoints of persons are predicted too (1703.06870, section 5), instead of masks. The
            head that predicts them has no norms, and twice the channels.
    """

    masks: bool = False
    norm: NormName | None = None
    head_norm: HeadNormName = "auto"
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
    keypoints: bool = False

    def __post_init__(self) -> None:
        if self.masks and self.keypoints:
            raise ValueError("detector.masks and detector.keypoints must not both be set")

    LATER: ClassVar[tuple[str, ...]] = ("keypoints",)

    @property
    def norm_of_heads(self) -> str:
        """The norm of pyramid and heads."""
        if self.head_norm != "auto":
            return self.head_norm
        return "none" if self.norm in {None, "bn", "frozen_bn"} else str(self.norm)

    @property
    def has_conv_head(self) -> bool:
        """Whether the box head has convolutions."""
        return self.box_head == "conv" or (self.box_head == "auto" and self.norm_of_heads != "none")


@dataclass(frozen=True, slots=True, config=_STRICT)
class ImageForm:
    """How a detector preprocesses images, and its categories.

    Attributes:
        categories: (id in the data, name) in the order of the labels from 1; 0 is the background.
        scales: shorter sides to which images are resized: one of them at random in training, the last in evaluation.
        max_side: largest longer side.
        mean: of each channel, on a scale where white is 1, as `std`.
    """

    categories: tuple[tuple[int, str], ...]
    scales: tuple[_Side, ...] = (800,)
    max_side: _Side = 1333
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[Annotated[float, Field(gt=0)], ...] = IMAGENET_STD


@dataclass(frozen=True, slots=True, config=_STRICT)
class DetectionData:
    """Images and annotations in COCO's or Pascal VOC's layout to train and evaluate a detector on.

    Attributes:
        root: folder with ``train/``, ``val/`` and ``annotations/instances_{train,val}.json``, or with COCO's own names,
            ``train2017/`` and so on; or Pascal VOC's ``VOCdevkit``, or the folder of one of its years.
        num_train: number of training images; null means all. A smaller selection is part of a larger one.
        subset_seed: of the selection.
        evaluate: images on which average precision is measured: ``val``, or the selected ones of ``train``.
        num_evaluated: maximum number of these images; null means all.
        check_pictures: ``decode`` decodes every image before the training starts, ``size`` reads only its size.
        drop_bad_objects: whether training images may have objects with an invalid box or mask, which are dropped, or
            they are an error. Of the images to evaluate none is dropped: empty boxes stay as truth that no detection
            matches, and anything else that is invalid is an error.
        cache_mib: memory of each worker for decoded images, in MiB.
        format: of the folder: ``coco``, ``voc``, or ``auto`` to find out.
        train_sets: image sets of Pascal VOC to train on, such as [VOC2007/trainval, VOC2012/trainval]. Null: trainval
            of all years where there is VOC2007/test, otherwise train.
        evaluation_sets: image sets to evaluate on as ``val``. Null: VOC2007/test if there is one, otherwise val.
    """

    root: str | None = None
    num_train: Annotated[int | None, Field(ge=1)] = None
    subset_seed: Annotated[int, Field(ge=0)] = 0
    evaluate: Literal["val", "train"] = "val"
    num_evaluated: Annotated[int | None, Field(ge=1)] = None
    check_pictures: Literal["decode", "size"] = "decode"
    drop_bad_objects: bool = False
    cache_mib: Annotated[int, Field(ge=0)] = 512
    format: Literal["auto", "coco", "voc"] = "auto"
    train_sets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    evaluation_sets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    LATER: ClassVar[tuple[str, ...]] = ("format", "train_sets", "evaluation_sets")
