"""torchvision's Faster R-CNN and Mask R-CNN on feature pyramids of backbones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, KeypointRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes, resize_keypoints
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from nas.downstream.backbone import Backbone
from nas.downstream.detection.keypoints import KEYPOINTS
from nas.downstream.detection.settings import DetectorSettings, ImageForm
from nas.downstream.norms import NormLayer, norm_layer
from nas.models.replace_norms import replace_norms

ASPECTS = (0.5, 1.0, 2.0)
_BOX_SIDE, _MASK_SIDE, _SAMPLING = 7, 14, 2
_NUM_CONVOLUTIONS = 4
_NUM_KEYPOINT_CONVOLUTIONS = 8
_MIN_DIVISOR = 32


def build_detector(backbone: Backbone, settings: DetectorSettings, form: ImageForm, *, seed: int = 0) -> FasterRCNN:
    """Builds a detector with initial weights, without changing torch's global generator.

    It takes a list of images (3, H, W) of any sizes with values from 0 to 1, and in training a list of targets, see
    torchvision's `FasterRCNN`. It returns losses by name in training, otherwise boxes, labels, scores, and masks or
    keypoints.

    The backbone becomes part of it; its norms are replaced as the settings say.

    Raises:
        ValueError: if the strides of the backbone do not fit a pyramid.
    """
    if settings.norm is not None:
        replace_norms(backbone, settings.norm)
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        norm = norm_layer(settings.norm_of_heads)
        pyramid = Pyramid(backbone, settings.channels, norm=norm, min_stride=settings.min_stride)
        anchors = tuple((settings.anchor_scale * stride,) for stride in pyramid.strides)
        kind: type[FasterRCNN] = KeypointRCNN if settings.keypoints else MaskRCNN if settings.masks else FasterRCNN
        network: FasterRCNN = kind(
            pyramid,
            rpn_anchor_generator=AnchorGenerator(anchors, (ASPECTS,) * len(anchors)),
            rpn_pre_nms_top_n_train=settings.train_proposals,
            rpn_post_nms_top_n_train=settings.train_proposals,
            rpn_pre_nms_top_n_test=settings.test_proposals,
            rpn_post_nms_top_n_test=settings.test_proposals,
            rpn_batch_size_per_image=settings.rpn_batch,
            box_score_thresh=settings.min_score,
            box_detections_per_img=settings.max_detections,
            box_batch_size_per_image=settings.roi_batch,
            **_heads(pyramid, settings, norm, len(form.categories) + 1),
        )
    divisor = max(_MIN_DIVISOR, backbone.strides[-1])
    network.transform = ImageTransform(form, size_divisible=divisor, antialias=settings.antialias)
    return network


class Pyramid(nn.Module):
    """A feature pyramid (1612.03144): maps of equal width, and one more of half the size of the coarsest.

    Args:
        body: the backbone; maps with a stride below `min_stride` are not used.
        num_channels: of each map.
        norm: builds the norms of the convolutions; None for none.

    Attributes:
        out_channels: of each map; the name that torchvision's detectors read.
        strides: of all maps, from the finest to the additional one.
        levels: names of the maps without the additional one.

    Raises:
        ValueError: if the strides of the backbone do not fit a pyramid.
    """

    def __init__(
        self, body: Backbone, num_channels: int, *, norm: NormLayer | None = None, min_stride: int = 1
    ) -> None:
        super().__init__()
        chosen = [level for level, stride in enumerate(body.strides) if stride >= min_stride]
        strides = [body.strides[level] for level in chosen]
        check_strides(strides, body.strides)
        self.body = body
        self.fpn = FeaturePyramidNetwork(
            [body.channels[level] for level in chosen], num_channels, LastLevelMaxPool(), norm_layer=norm
        )
        self.out_channels = num_channels
        self.strides = (*strides, 2 * strides[-1])
        self.levels = tuple(str(place) for place in range(len(chosen)))
        self._first = chosen[0]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Computes maps (N, out_channels, h, w) of images (N, C, H, W) by name, from the finest to ``pool``."""
        used = list(self.body(images).values())[self._first :]
        pyramid: dict[str, Tensor] = self.fpn(dict(zip(self.levels, used, strict=True)))
        return pyramid


def check_strides(strides: Sequence[int], of_backbone: Sequence[int]) -> None:
    """Raises ValueError unless a pyramid can be built on maps of these strides, some of the backbone's."""
    if len(strides) < 2 or any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
        raise ValueError(
            "a feature pyramid needs at least two maps, each of twice the stride of the one before, got strides "
            f"{', '.join(map(str, strides)) or 'none'} of the backbone's {', '.join(map(str, of_backbone))}: change "
            "detector.min_stride, or network.num_stages, network.stem and network.num_stem_cells"
        )


class ImageTransform(GeneralizedRCNNTransform):
    """Normalizes and resizes images into a batch, and maps detections back; `antialias` smooths before reductions."""

    def __init__(self, form: ImageForm, *, size_divisible: int, antialias: bool) -> None:
        mean, std = list(form.mean), list(form.std)
        super().__init__(form.scales[-1], form.max_side, mean, std, size_divisible=size_divisible)
        self.min_size: Any = form.scales  # torchvision accepts several, unlike its annotation
        self._antialias = antialias

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Resizes an image (3, H, W) and its target to a scale."""
        if not self._antialias:
            resized: tuple[Tensor, dict[str, Tensor] | None] = super().resize(image, target)
            return resized
        height, width = image.shape[-2:]
        scale = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        factor = min(scale / min(height, width), self.max_size / max(height, width))
        size = max(1, int(height * factor)), max(1, int(width * factor))
        image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        if target is not None:
            target["boxes"] = resize_boxes(target["boxes"], [height, width], list(size))
            if "masks" in target:
                target["masks"] = F.interpolate(target["masks"][:, None].float(), size)[:, 0].byte()
            if "keypoints" in target:
                target["keypoints"] = resize_keypoints(target["keypoints"], [height, width], list(size))
        return image, target


def _heads(
    pyramid: Pyramid, settings: DetectorSettings, norm: NormLayer | None, num_classes: int
) -> dict[str, nn.Module]:
    levels, width, features = list(pyramid.levels), settings.channels, settings.features
    layers = [width] * _NUM_CONVOLUTIONS
    heads: dict[str, nn.Module] = {
        "box_roi_pool": MultiScaleRoIAlign(levels, _BOX_SIDE, _SAMPLING),
        "box_head": FastRCNNConvFCHead((width, _BOX_SIDE, _BOX_SIDE), layers, [features], norm)
        if settings.has_conv_head
        else TwoMLPHead(width * _BOX_SIDE**2, features),
        "box_predictor": FastRCNNPredictor(features, num_classes),
    }
    if settings.masks:
        heads["mask_roi_pool"] = MultiScaleRoIAlign(levels, _MASK_SIDE, _SAMPLING)
        heads["mask_head"] = MaskRCNNHeads(width, layers, 1, norm)
        heads["mask_predictor"] = MaskRCNNPredictor(width, width, num_classes)
    if settings.keypoints:
        heads["keypoint_roi_pool"] = MultiScaleRoIAlign(levels, _MASK_SIDE, _SAMPLING)
        heads["keypoint_head"] = KeypointRCNNHeads(width, (2 * width,) * _NUM_KEYPOINT_CONVOLUTIONS)
        heads["keypoint_predictor"] = KeypointRCNNPredictor(2 * width, len(KEYPOINTS))
    return heads
