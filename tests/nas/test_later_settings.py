"""Settings added later are left out of fingerprints and files at their defaults."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from nas.downstream.detection.checkpoint import DetectorDescription
from nas.downstream.detection.settings import DetectionData, DetectorSettings, ImageForm
from nas.downstream.segmentation.settings import HeadSpec, SegmentationData
from nas.fidelity import NetworkSpec
from nas.later_settings import plain
from nas.models.reference.names import ReferenceNetwork


@dataclass
class Inner:
    LATER: ClassVar[tuple[str, ...]] = ("later",)
    first: int = 1
    later: str = "a"


@dataclass
class Outer:
    inner: Inner
    number: int = 2


def test_only_the_later_ones_are_omitted():
    assert plain(Inner()) == {"first": 1}
    assert plain(Inner(later="b")) == {"first": 1, "later": "b"}
    assert plain(Outer(Inner())) == {"inner": {"first": 1}, "number": 2}


FIRST = {
    HeadSpec: "kind atrous_rates auxiliary auxiliary_weight norm",
    SegmentationData: "root unlabelled most_frequent crop",
    DetectionData: "root num_train subset_seed evaluate num_evaluated check_pictures drop_bad_objects cache_mib",
    DetectorSettings: "masks norm head_norm box_head channels features min_stride anchor_scale antialias "
    "train_proposals test_proposals rpn_batch roi_batch min_score max_detections",
}


@pytest.mark.parametrize("kind", FIRST)
def test_settings_of_the_first_version(kind):
    """The fingerprints of stored runs are digests of these names."""
    assert list(plain(kind())) == FIRST[kind].split()


@pytest.mark.parametrize(
    "settings", [HeadSpec(output_stride=16), DetectorSettings(keypoints=True), DetectionData(format="voc")]
)
def test_other_values_are_kept(settings):
    assert len(plain(settings)) == len(FIRST[type(settings)].split()) + 1
    assert type(settings)(**plain(settings)) == settings


def test_descriptions_of_trained_networks():
    described = DetectorDescription(
        ReferenceNetwork("resnet18"), NetworkSpec(), DetectorSettings(), ImageForm(((1, "a"),))
    )
    assert "keypoints" not in described.to_json()["detector"]
    assert DetectorDescription.from_json(described.to_json()) == described
