"""Detections of several views are joined: one view is the detector itself, and mirrored ones mirror what is found."""

from dataclasses import replace

import pytest
import torch

from nas.downstream.backbone import build_backbone
from nas.downstream.detection.networks import build_detector
from nas.downstream.detection.settings import ImageForm
from nas.downstream.detection.views import Views, detect_in_views


@pytest.fixture
def network(plan):
    """A detector with masks whose weights are random, so that it finds much, everywhere."""
    settings = replace(plan.detector, masks=True, max_detections=30)
    form = ImageForm(((1, "a"), (2, "b")), scales=(48,), max_side=96)
    network = build_detector(build_backbone(plan.architecture, plan.network, seed=1), settings, form, seed=1)
    return network.eval()


def image(width=60):
    return torch.rand(3, 48, width, generator=torch.Generator().manual_seed(0))


def same(ours, theirs):
    assert set(ours) == set(theirs) == {"boxes", "labels", "scores", "masks"}
    for name, each in ours.items():
        torch.testing.assert_close(each, theirs[name], atol=1e-4, rtol=1e-4)


def test_the_view_of_the_detector_itself(network):
    with torch.no_grad():
        (expected,) = network([image()])
    assert len(expected["boxes"]) > 5
    same(detect_in_views(network, image(), Views((48,))), expected)


def test_what_is_found_in_a_mirrored_image_is_mirrored(network):
    """With both views, whatever is found in an image is found in the mirrored one; 64 pixels are whole strides."""
    views, picture = Views((48,), flip=True), image(64)
    ours, theirs = (detect_in_views(network, each, views) for each in (picture, picture.flip(-1)))
    mirrored = theirs["boxes"][:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]) + torch.tensor([64, 0, 64, 0])
    torch.testing.assert_close(ours["scores"], theirs["scores"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours["boxes"], mirrored, atol=1e-3, rtol=1e-3)


def test_boxes_of_other_sizes_are_those_of_the_original_image(network):
    found = detect_in_views(network, image(), Views((24, 96)))
    assert found["boxes"][:, 2].max() <= 60.001
    assert found["boxes"][:, 3].max() <= 48.001
    assert found["masks"].shape == (len(found["boxes"]), 1, 48, 60)
    assert len(found["boxes"]) <= 30
    assert found["scores"].tolist() == sorted(found["scores"].tolist(), reverse=True)


def test_masks_are_averaged(network):
    """A network that predicts one mask everywhere predicts the mean of both of its sides in two mirrored views."""
    side = network.roi_heads.mask_roi_pool.output_size[0] * 2
    half = torch.zeros(side, side)
    half[:, : side // 2] = 20.0

    class Half(torch.nn.Module):
        def forward(self, maps):
            return (half - 10).expand(len(maps), 3, side, side)

    network.roi_heads.mask_predictor = Half()
    (one, two) = (detect_in_views(network, image(64), Views((48,), flip)) for flip in (False, True))
    assert one["masks"].max() > 0.9
    assert two["masks"].max() < 0.55


def test_the_transform_of_the_detector_is_left_alone(network):
    before = (network.transform.min_size, network.transform.max_size)
    detect_in_views(network, image(), Views((96,)))
    assert (network.transform.min_size, network.transform.max_size) == before


def test_as_plain_data():
    assert Views((400, 800), flip=True).to_json() == {"scales": [400, 800], "flip": True}
